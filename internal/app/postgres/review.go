package postgres

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Review is what is to be said of a database's schema: Problems keep this
// program from working with it, Notes do not.
type Review struct{ Problems, Notes []string }

// ReviewSchema judges a schema by its record of applied steps and by its shape.
// Tables, columns and indexes that this program does not know are fine: newer
// programs add them. Unless migrated, a schema that is behind is fine too, and
// what has yet to come is not looked for.
func ReviewSchema(schema Schema, want, live Shape, migrated bool) Review {
	var r Review
	if r.unrecorded(schema, want, live) || r.outOfOrder(schema) {
		return r
	}
	err := schema.Err()
	switch {
	case schema.incompatible():
		r.problem("%v", err)
	case err != nil && migrated:
		r.problem("%v", err)
	case err != nil:
		r.note("the schema is at version %d, this version needs %d: the migrations come next", schema.Version, schema.Wanted)
	case schema.ahead():
		r.note("the schema is ahead, at version %d; it works with versions from %d on, this one was built for %d",
			schema.Version, schema.CompatibleFrom, schema.Wanted)
		for _, d := range want.Differences(live) {
			if d.Missing && d.Kind != KindConstraint && d.Kind != KindIndex {
				r.problem("%s", d)
			} else {
				r.note("a newer version changed it: %s", d)
			}
		}
	default:
		for _, d := range want.Differences(live) {
			r.problem("%s", d)
		}
	}
	return r
}

func (r *Review) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

func (r *Review) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// unrecorded finds tables of ours in a database that says it has had no step:
// its record was lost, and running the steps again would fail or worse.
func (r *Review) unrecorded(schema Schema, want, live Shape) bool {
	if schema.Version > 0 {
		return false
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(want.Tables)) {
		if _, ok := live.Tables[name]; ok {
			found = append(found, name)
		}
	}
	if len(found) == 0 && schema.RecordEmptied {
		r.problem("the record of migrations (table goose_db_version) has no row: let it begin anew with " +
			"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)")
		return true
	}
	if len(found) == 0 {
		return false
	}
	r.problem("the record of migrations (table goose_db_version) is empty, yet there are the tables %s: "+
		"find out which migrations they have had and record those, with "+
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), …; "+
		"or name an empty database", strings.Join(found, ", "))
	for _, d := range want.Differences(live) {
		if _, ok := live.Tables[d.Table]; ok {
			r.problem("%s", d)
		}
	}
	return true
}

func (r *Review) outOfOrder(schema Schema) bool {
	var late []int64
	for _, v := range schema.Missing {
		if v < schema.Version {
			late = append(late, v)
		}
	}
	if len(late) > 0 {
		r.problem("the migrations %v were never applied although %d was: two versions of the app came from diverging "+
			"histories; apply them by hand and record them in goose_db_version", late, schema.Version)
	}
	return len(late) > 0
}

// Kinds of things that differ.
const (
	KindTable      = "table"
	KindColumn     = "column"
	KindConstraint = "constraint"
	KindIndex      = "index"
)

// Difference is one thing that a database lacks or has otherwise.
type Difference struct {
	Kind string
	// Table it is in, or that it is.
	Table string
	// Name of the column, constraint or index; empty for a table.
	Name string
	// Missing: it is not there at all.
	Missing bool
	// What says how it differs, and Fix the statement that mends it.
	What, Fix string
}

// String is one line for people.
func (d Difference) String() string {
	subject := "table " + d.Table
	if d.Name != "" {
		subject += ", " + d.Kind + " " + d.Name
	}
	return subject + " " + d.What + ": " + d.Fix
}

// Differences lists what live lacks of s or has otherwise, by table: columns,
// constraints, indexes. What live has beyond s is no difference.
func (s Shape) Differences(live Shape) []Difference {
	var all []Difference
	for _, name := range slices.Sorted(maps.Keys(s.Tables)) {
		want := s.Tables[name]
		have, ok := live.Tables[name]
		if !ok {
			all = append(all, Difference{
				Kind: KindTable, Table: name, Missing: true, What: "is missing",
				Fix: "create it as the migrations do, or restore it",
			})
			continue
		}
		all = append(all, columnDifferences(name, want.Columns, have.Columns)...)
		all = append(all, definitionDifferences(KindConstraint, name, want.Constraints, have.Constraints)...)
		all = append(all, definitionDifferences(KindIndex, name, want.Indexes, have.Indexes)...)
	}
	return all
}

func columnDifferences(table string, want, have map[string]Column) []Difference {
	var all []Difference
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w, d := want[name], Difference{Kind: KindColumn, Table: table, Name: name}
		alter := fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s ", table, name)
		add := func(what, fix string) {
			d.What, d.Fix = what, fix
			all = append(all, d)
		}
		h, ok := have[name]
		if !ok {
			d.Missing = true
			add("is missing", fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", table, name, w))
			continue
		}
		if h.Type != w.Type {
			add(fmt.Sprintf("has the type %s, not %s", h.Type, w.Type), alter+"TYPE "+w.Type)
		}
		switch {
		case h.Nullable && !w.Nullable:
			add("takes NULL", alter+"SET NOT NULL")
		case w.Nullable && !h.Nullable:
			add("refuses NULL", alter+"DROP NOT NULL")
		}
		switch {
		case h.Default == w.Default:
		case w.Default == "":
			add("has a default and is to have none", alter+"DROP DEFAULT, or DROP IDENTITY")
		case strings.HasPrefix(w.Default, "GENERATED"):
			add("lacks "+w.Default, alter+"ADD "+w.Default)
		default:
			add("lacks "+w.Default, alter+"SET "+w.Default)
		}
	}
	return all
}

// String is the column's definition, without its name.
func (c Column) String() string {
	text := c.Type
	if c.Default != "" {
		text += " " + c.Default
	}
	if !c.Nullable {
		text += " NOT NULL"
	}
	return text
}

func definitionDifferences(kind, table string, want, have map[string]string) []Difference {
	var all []Difference
	for _, name := range slices.Sorted(maps.Keys(want)) {
		h, ok := have[name]
		if h == want[name] {
			continue
		}
		create, drop := want[name], "DROP INDEX "+name
		if kind == KindConstraint {
			create = fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table, name, want[name])
			drop = fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", table, name)
		}
		d := Difference{Kind: kind, Table: table, Name: name, Missing: !ok, What: "is missing", Fix: create}
		if ok {
			d.What, d.Fix = "is "+clip(h), drop+"; "+create
		}
		all = append(all, d)
	}
	return all
}

// clip keeps what a database says of itself short.
func clip(text string) string {
	const most = 160
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
