package alarm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Alert is one as Alertmanager knows it.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	Status      struct {
		State       string   `json:"state"` // unprocessed, active or suppressed
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
	Receivers []struct {
		Name string `json:"name"`
	} `json:"receivers"`
}

// Name of the alert.
func (a Alert) Name() string { return a.Labels["alertname"] }

// Inhibited tells whether another alert keeps this one from being told.
func (a Alert) Inhibited() bool { return len(a.Status.InhibitedBy) > 0 }

// Alerts asks an Alertmanager for the alerts of a service.
func Alerts(ctx context.Context, alertmanager, service string) ([]Alert, error) {
	var alerts []Alert
	query := url.Values{"filter": {fmt.Sprintf("service=%q", service)}}
	return alerts, get(ctx, alertmanager+"/api/v2/alerts?"+query.Encode(), &alerts)
}

// Sample asks a Prometheus for the value of an expression; ok says whether
// there is one.
func Sample(ctx context.Context, prometheus, expr string) (value string, ok bool, err error) {
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	query := url.Values{"query": {expr}}
	if err := get(ctx, prometheus+"/api/v1/query?"+query.Encode(), &answer); err != nil || len(answer.Data.Result) == 0 {
		return "", false, err
	}
	value, ok = answer.Data.Result[0].Value[1].(string)
	return value, ok, nil
}

// direct asks no proxy: everything here is on this machine.
var direct = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Proxy: nil}}

func get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	response, err := direct.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
