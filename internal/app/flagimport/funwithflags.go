package flagimport

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Toggle is one row of fun_with_flags_toggles.
type Toggle struct {
	Flag, Gate string
	// Target is nil where the column is NULL.
	Target  *string
	Enabled bool
}

// ReadToggles reads the table of FunWithFlags in the order of its rows, and
// changes nothing.
func ReadToggles(ctx context.Context, url string) ([]Toggle, error) {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx)) //nolint:errcheck // everything has been read
	if _, err := connection.Exec(ctx, "SET default_transaction_read_only = on"); err != nil {
		return nil, fmt.Errorf("opening a read-only session: %w", err)
	}
	rows, err := connection.Query(ctx, "SELECT flag_name, gate_type, target, coalesce(enabled, false) FROM fun_with_flags_toggles ORDER BY flag_name, gate_type, target NULLS FIRST")
	if err != nil {
		return nil, fmt.Errorf("reading fun_with_flags_toggles: %w", err)
	}
	toggles, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Toggle, err error) {
		return t, row.Scan(&t.Flag, &t.Gate, &t.Target, &t.Enabled)
	})
	if err != nil {
		return nil, fmt.Errorf("reading fun_with_flags_toggles: %w", err)
	}
	return toggles, nil
}

// Gates of FunWithFlags.
const (
	gateBoolean = "boolean"
	gateActor   = "actor"
	gateGroup   = "group"
	// gatePercentage has the kind in its target; older tables have it in the
	// gate's name.
	gatePercentage = "percentage"
	gateTime       = "percentage_of_time"
	gateActors     = "percentage_of_actors"
)

// gates are all rows of one flag.
type gates struct {
	name           string
	actors, groups map[string]bool
	boolean        *bool
	// ratio of the percentage, 0 when there is none; byTime tells which.
	ratio  float64
	byTime bool
	notes  []string
	// wrong says why the rows cannot be understood.
	wrong string
}

// Limits of a FeatureFlag.
const (
	actorsInRule, groupsInRule = 500, 64
	actorBytes, groupBytes     = 128, 63
	rulesInFlag                = 32
)

// FunWithFlags declares the flags of a table. Where rows of one gate
// contradict each other, which the database lets happen because NULLs never
// collide, onConflict decides: enabled, disabled, or neither, and then the flag
// is left out. known are further actors for the proof.
func FunWithFlags(app string, toggles []Toggle, onConflict string, known []Subject) Result {
	byName := map[string]*gates{}
	for _, t := range toggles {
		g := byName[t.Flag]
		if g == nil {
			g = &gates{name: t.Flag, actors: map[string]bool{}, groups: map[string]bool{}}
			byName[t.Flag] = g
		}
		g.add(t, onConflict)
	}
	var result Result
	var originals []original
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		flag, err := byName[name].flag(app)
		if err == nil && owner[flag.Key] != "" {
			err = fmt.Errorf("its key would be %q, as that of %q: declare one of them by hand", flag.Key, owner[flag.Key])
		}
		if err != nil {
			result.Problems = append(result.Problems, Problem{name, err.Error()})
			continue
		}
		owner[flag.Key] = name
		result.Flags, originals = append(result.Flags, flag), append(originals, byName[name])
	}
	result.Proof = prove(result.Flags, originals, append(subjects(byName), known...))
	return result
}

// add takes one row.
func (g *gates) add(t Toggle, onConflict string) {
	target := ""
	if t.Target != nil && *t.Target != "_fwf_none" {
		target = *t.Target
	}
	switch t.Gate {
	case gateBoolean:
		if g.boolean == nil {
			g.boolean = &t.Enabled
			return
		}
		*g.boolean = g.again("the boolean gate", *g.boolean, t.Enabled, onConflict)
	case gateActor:
		g.addMember(g.actors, "actor", target, t.Enabled, onConflict)
	case gateGroup:
		g.addMember(g.groups, "group", target, t.Enabled, onConflict)
	case gatePercentage, gateTime, gateActors:
		g.percentage(t.Gate, target)
	default:
		g.wrong = fmt.Sprintf("it has a gate of the unknown type %q: declare the flag by hand", t.Gate)
	}
}

func (g *gates) addMember(of map[string]bool, kind, target string, on bool, onConflict string) {
	if target == "" {
		g.wrong = fmt.Sprintf("a row of type %s names nobody: delete it or declare the flag by hand", kind)
		return
	}
	if was, twice := of[target]; twice {
		on = g.again(kind+" "+strconv.Quote(target), was, on, onConflict)
	}
	of[target] = on
}

// again decides about a second row of the same gate.
func (g *gates) again(what string, was, is bool, onConflict string) bool {
	switch {
	case was == is:
		g.notes = append(g.notes, fmt.Sprintf("%s had two rows that say the same", what))
		return was
	case onConflict == "":
		g.wrong = fmt.Sprintf("%s has rows that contradict each other, so the original's answer was by chance: delete one, or say which counts by --on-conflict=enabled or disabled", what)
		return was
	default:
		g.notes = append(g.notes, fmt.Sprintf("%s had rows that contradict each other; %s was chosen", what, onConflict))
		return onConflict == enabled
	}
}

// percentage reads targets such as actors/0.25, time/0.05, and 0.25 alone.
func (g *gates) percentage(gate, target string) {
	kind, number, found := strings.Cut(target, "/")
	if !found {
		kind, number = strings.TrimPrefix(gate, "percentage_of_"), target
	}
	ratio, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(ratio > 0 && ratio < 1) || kind != "time" && kind != "actors":
		g.wrong = fmt.Sprintf("it has a percentage of %q, which is neither actors/0.25 nor time/0.25: declare the flag by hand", target)
	case g.ratio != 0 && (g.ratio != ratio || g.byTime != (kind == "time")):
		g.wrong = "it has two percentages: delete one"
	default:
		g.ratio, g.byTime = ratio, kind == "time"
	}
}

// answer is what FunWithFlags says: an actor counts before groups, of which a
// disabled one counts before enabled ones, then the boolean, then the
// percentage. Without an actor there are the boolean and the percentage of
// time alone. known is false where chance decides.
func (g *gates) answer(s Subject) (value string, known bool) {
	if on, said := g.member(s); said {
		return strconv.FormatBool(on), true
	}
	switch {
	case g.boolean != nil && *g.boolean:
		return "true", true
	case g.ratio > 0 && g.byTime:
		return "", false
	case g.ratio > 0 && s.Actor != "":
		return strconv.FormatBool(flagd.ActorScore(s.Actor, g.name) <= g.ratio), true
	default:
		return "false", true
	}
}

// member is what the gates of actors and groups say.
func (g *gates) member(s Subject) (on, said bool) {
	if s.Actor == "" {
		return false, false
	}
	if on, said = g.actors[s.Actor]; said {
		return on, true
	}
	for _, group := range s.Groups {
		in, ok := g.groups[group]
		if ok && !in {
			return false, true
		}
		on = on || ok
	}
	return on, on
}

// flag declares the gates as rules, in the order in which they count.
func (g *gates) flag(app string) (Flag, error) {
	if g.wrong != "" {
		return Flag{}, fmt.Errorf("%s", g.wrong)
	}
	key, err := keyFor(g.name, app)
	if err != nil {
		return Flag{}, err
	}
	flag := Flag{Source: g.name, Key: key, Type: flagd.Boolean, DefaultVariant: disabled, Notes: g.notes}
	if key != g.name {
		flag.Notes = append(flag.Notes, fmt.Sprintf("was called %q; the app must ask for %q", g.name, key))
	}
	for _, on := range []bool{false, true} {
		if flag.Rules, err = rulesFor(flag.Rules, "actor", g.actors, on, actorsInRule, actorBytes); err != nil {
			return Flag{}, err
		}
	}
	for _, on := range []bool{false, true} {
		if flag.Rules, err = rulesFor(flag.Rules, "group", g.groups, on, groupsInRule, groupBytes); err != nil {
			return Flag{}, err
		}
	}
	switch {
	case g.boolean != nil && *g.boolean:
		flag.DefaultVariant = enabled
	case g.ratio > 0 && g.byTime:
		percent := strconv.FormatFloat(math.Round(g.ratio*1e5)/1e3, 'f', -1, 64)
		flag.Rules = append(flag.Rules, flagd.Rule{Rollout: []flagd.Share{{Variant: enabled, Percent: percent}}})
		flag.Notes = append(flag.Notes, "was on for "+percent+" % of the time, by chance at each question; here "+percent+" % of the subjects have it, always the same ones")
	case g.ratio > 0:
		flag.Rules = append(flag.Rules, flagd.Rule{Rollout: []flagd.Share{{Variant: enabled, Percent: percentOf(g.ratio)}}})
		flag.Spread.Hash = flagd.HashFunWithFlags
		if key != g.name {
			flag.Spread.BucketKey = g.name
		}
	}
	if len(flag.Rules) > rulesInFlag {
		return Flag{}, fmt.Errorf("it would need %d rules and may have %d: put actors into groups first", len(flag.Rules), rulesInFlag)
	}
	_, err = flag.Definition()
	return flag, err
}

// rulesFor adds rules for those members that are on, or for those that are off.
func rulesFor(rules []flagd.Rule, kind string, members map[string]bool, on bool, inRule, longest int) ([]flagd.Rule, error) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(name string) bool { return members[name] != on })
	for _, name := range names {
		if len(name) > longest {
			return nil, fmt.Errorf("the name of %s %.40q… is longer than %d bytes: declare the flag by hand", kind, name, longest)
		}
	}
	for part := range slices.Chunk(names, inRule) {
		rule := flagd.Rule{Variant: disabled, Actors: part}
		if on {
			rule.Variant = enabled
		}
		if kind == "group" {
			rule.Actors, rule.Groups = nil, part
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// percentOf is a percentage with three decimals that lets in exactly the
// actors that the ratio does: scores are multiples of 1/65536, and between any
// two of them there is a thousandth of one percent.
func percentOf(ratio float64) string {
	last := math.Floor(ratio * 65536) // the highest score that is let in
	thousandths := math.Round(ratio * 1e5)
	if lets := thousandths / 1e5 * 65536; lets < last || lets >= last+1 || thousandths == 0 {
		thousandths = max(1, math.Ceil(last*1e5/65536))
	}
	return strconv.FormatFloat(thousandths/1e3, 'f', -1, 64)
}

// subjects are all actors that the table knows, and nobody, each in none, one
// or all of the groups that it knows.
func subjects(all map[string]*gates) []Subject {
	actors, groups := map[string]bool{}, map[string]bool{}
	for _, g := range all {
		maps.Copy(actors, g.actors)
		maps.Copy(groups, g.groups)
	}
	known := slices.Sorted(maps.Keys(groups))
	list := []Subject{{}}
	for _, actor := range slices.Sorted(maps.Keys(actors)) {
		list = append(list, Subject{Actor: actor})
		for _, group := range known {
			list = append(list, Subject{Actor: actor, Groups: []string{group}})
		}
		if len(known) > 1 {
			list = append(list, Subject{Actor: actor, Groups: known})
		}
	}
	// Somebody whom no row names, so that groups are tried without an actor's
	// own gate.
	for _, group := range known {
		list = append(list, Subject{Actor: "somebody:else", Groups: []string{group}})
	}
	return list
}
