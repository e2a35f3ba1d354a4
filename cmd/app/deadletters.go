package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// lettersAtOnce is how many dead letters are read at a time.
const lettersAtOnce = 500

// funnelDeadLetters lists the events that the database refused, or tries them
// again.
func (p *program) funnelDeadLetters(ctx context.Context, args []string) error {
	what := strings.Join(args[:min(1, len(args))], "")
	if what != "list" && what != "replay" {
		return usagef("funnel dead-letters: use list or replay, got %q", what)
	}
	set := flag.NewFlagSet("funnel dead-letters "+what, flag.ContinueOnError)
	var id *int64
	if what == "replay" {
		id = set.Int64("id", 0, "number of the letter to try again; default all")
	}
	if err := p.parse(set, args[1:]); err != nil {
		return err
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if what == "list" {
		return p.listLetters(ctx, store)
	}
	return p.replayLetters(ctx, store, *id)
}

func (p *program) listLetters(ctx context.Context, store *postgres.Store) error {
	n := 0
	err := eachLetter(ctx, store, func(l app.DeadLetter) error {
		n++
		p.printf("%d  %s  %s  %d bytes  %s\n", l.ID, l.At.UTC().Format(time.DateTime), l.Type, l.Bytes, l.Reason)
		return nil
	})
	p.printf("%d dead letters\n", n)
	return err
}

func (p *program) replayLetters(ctx context.Context, store *postgres.Store, id int64) error {
	stored, refused := 0, 0
	replay := func(l app.DeadLetter) error {
		err := store.ReplayDeadLetter(ctx, l.ID, p.now())
		switch app.CodeOf(err) {
		case "":
			if err != nil {
				return err
			}
			stored++
		case app.CodeValidation:
			refused++
			p.printf("%d is refused again: %s\n", l.ID, postgres.Redact(err))
		default:
			return err
		}
		return nil
	}
	var err error
	if id != 0 {
		err = replay(app.DeadLetter{ID: id})
		if app.CodeOf(err) == app.CodeNotFound {
			return fmt.Errorf("funnel dead-letters: there is no letter %d: funnel dead-letters list shows them", id)
		}
	} else {
		err = eachLetter(ctx, store, replay)
	}
	if err != nil {
		return fmt.Errorf("funnel dead-letters: %s", postgres.Redact(err))
	}
	p.printf("%d stored, %d refused again\n", stored, refused)
	if refused > 0 {
		return errors.New("some dead letters are left")
	}
	return nil
}

// eachLetter visits every dead letter; those that go meanwhile do not matter.
func eachLetter(ctx context.Context, store *postgres.Store, visit func(app.DeadLetter) error) error {
	for after := int64(0); ; {
		letters, err := store.DeadLetters(ctx, after, lettersAtOnce)
		if err != nil || len(letters) == 0 {
			return err
		}
		for _, l := range letters {
			if err := visit(l); err != nil {
				return err
			}
		}
		after = letters[len(letters)-1].ID
	}
}
