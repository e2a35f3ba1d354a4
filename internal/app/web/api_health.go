package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type healthOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Status   string `json:"status" enum:"ok,degraded"`
		Database string `json:"database" enum:"up,down"`
		Version  string `json:"version"`
	}
}

// registerHealth adds health for people. Probes ask the admin listener.
func (s *server) registerHealth() {
	for id, path := range map[string]string{"health": "/health", "api-health": "/api/health"} {
		register(s, huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{"health"},
			Summary: "Whether the app and its database work; answers 200 as long as the app does",
		}, func(context.Context, *struct{}) (*healthOutput, error) {
			out := &healthOutput{CacheControl: "no-store"}
			out.Body.Status, out.Body.Database, out.Body.Version = "ok", "up", s.d.Version
			if !s.d.DatabaseUp() {
				out.Body.Status, out.Body.Database = "degraded", "down"
			}
			return out, nil
		})
	}
}
