package jobs

import (
	"context"
	"log/slog"
)

// quiet is a logger for River: warnings and errors alone, with their messages
// and with errors redacted, for River logs what the database said.
func quiet(o Options) *slog.Logger { return slog.New(&redacting{o.Log.Handler(), o.Redact}) }

type redacting struct {
	slog.Handler
	redact func(error) string
}

// Enabled implements slog.Handler.
func (h *redacting) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (h *redacting) Handle(ctx context.Context, record slog.Record) error {
	safe := slog.NewRecord(record.Time, record.Level, "jobs: "+record.Message, record.PC)
	record.Attrs(func(a slog.Attr) bool {
		if err, isErr := a.Value.Any().(error); isErr {
			safe.AddAttrs(slog.String(a.Key, h.redact(err)))
			return true
		}
		switch a.Key {
		case "kind", "job_kind", "job_id", "queue", "attempt":
			safe.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, safe)
}

// WithAttrs implements slog.Handler.
func (h *redacting) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h *redacting) WithGroup(string) slog.Handler { return h }
