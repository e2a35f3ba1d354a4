package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Row is an event in a dump. Texts are empty where there is nothing.
type Row struct {
	ID          string    `parquet:"id"`
	EventType   string    `parquet:"event_type,dict"`
	CustomerID  *int64    `parquet:"customer_id,optional"`
	VisitorID   string    `parquet:"visitor_id"`
	SessionID   string    `parquet:"session_id"`
	Site        string    `parquet:"site,dict"`
	PagePath    string    `parquet:"page_path,dict"`
	Referrer    string    `parquet:"referrer,dict"`
	Class       string    `parquet:"referrer_class,dict"`
	UserAgent   string    `parquet:"user_agent,dict"`
	Network     string    `parquet:"ip_network,dict"`
	UTMSource   string    `parquet:"utm_source,dict"`
	UTMMedium   string    `parquet:"utm_medium,dict"`
	UTMCampaign string    `parquet:"utm_campaign,dict"`
	UTMTerm     string    `parquet:"utm_term,dict"`
	UTMContent  string    `parquet:"utm_content,dict"`
	Name        string    `parquet:"name,dict"`
	Metadata    string    `parquet:"metadata"`
	OccurredAt  time.Time `parquet:"occurred_at,timestamp(microsecond)"`
}

// csvHeader names the columns, as Parquet does.
var csvHeader = []string{
	"id", "event_type", "customer_id", "visitor_id", "session_id", "site", "page_path", "referrer", "referrer_class", "user_agent", "ip_network",
	"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "name", "metadata", "occurred_at",
}

func newRow(e *app.StoredEvent) Row {
	t := &e.Touch
	r := Row{
		ID: e.ID.String(), EventType: string(e.Type), VisitorID: t.VisitorID, SessionID: t.SessionID, Site: e.Site, PagePath: t.Path,
		Referrer: t.Referrer, UserAgent: t.UserAgent, Network: t.Network, UTMSource: t.UTM.Source, UTMMedium: t.UTM.Medium,
		UTMCampaign: t.UTM.Campaign, UTMTerm: t.UTM.Term, UTMContent: t.UTM.Content, Name: e.Name, Metadata: e.Metadata, OccurredAt: e.At,
	}
	if e.CustomerID != 0 {
		r.CustomerID = &e.CustomerID
	}
	if e.Type == app.EventPageView {
		r.Class = string(app.ClassifyReferrer(t.Referrer, e.Site))
	}
	return r
}

// Formats of dumps.
const (
	FormatCSV     = "csv"
	FormatParquet = "parquet"
)

// rowsAtOnce bounds what a dump holds in memory, and the row groups of Parquet.
const rowsAtOnce = 50_000

// Dump writes events; Close ends it.
type Dump struct {
	write func(Row) error
	end   func() error
}

// NewDump begins a dump in one of the formats.
func NewDump(w io.Writer, format string) (*Dump, error) {
	switch format {
	case FormatCSV:
		return newCSV(w)
	case FormatParquet:
		return newParquet(w), nil
	default:
		return nil, fmt.Errorf("the format is %q: use %s or %s", format, FormatCSV, FormatParquet)
	}
}

// Add writes one event.
func (d *Dump) Add(e *app.StoredEvent) error { return d.write(newRow(e)) }

// Close writes what is left.
func (d *Dump) Close() error { return d.end() }

func newCSV(w io.Writer) (*Dump, error) {
	out := csv.NewWriter(w)
	if err := out.Write(csvHeader); err != nil {
		return nil, fmt.Errorf("writing the header: %w", err)
	}
	write := func(r Row) error {
		customer := ""
		if r.CustomerID != nil {
			customer = fmt.Sprint(*r.CustomerID)
		}
		record := []string{
			r.ID, r.EventType, customer, r.VisitorID, r.SessionID, r.Site, r.PagePath, r.Referrer, r.Class, r.UserAgent, r.Network,
			r.UTMSource, r.UTMMedium, r.UTMCampaign, r.UTMTerm, r.UTMContent, r.Name, r.Metadata, r.OccurredAt.Format(time.RFC3339Nano),
		}
		for i := range record {
			record[i] = harmless(record[i])
		}
		return out.Write(record)
	}
	return &Dump{write: write, end: func() error {
		out.Flush()
		return out.Error()
	}}, nil
}

// harmless keeps spreadsheets from taking what visitors sent for a formula.
func harmless(text string) string {
	if text == "" {
		return text
	}
	switch text[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return "'" + text
	default:
		return text
	}
}

func newParquet(w io.Writer) *Dump {
	out := parquet.NewGenericWriter[Row](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowsAtOnce),
		parquet.CreatedBy("rsolv", "app", ""))
	rows := make([]Row, 0, 512)
	flush := func() error {
		_, err := out.Write(rows)
		rows = rows[:0]
		return err
	}
	return &Dump{
		write: func(r Row) error {
			if rows = append(rows, r); len(rows) == cap(rows) {
				return flush()
			}
			return nil
		},
		end: func() error {
			if err := flush(); err != nil {
				return err
			}
			return out.Close()
		},
	}
}
