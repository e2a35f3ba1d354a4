package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// KeyBody is what is told of an API key.
type KeyBody struct {
	ID          int64      `json:"id"`
	Name        string     `json:"name" example:"CI"`
	Permissions []string   `json:"permissions" example:"[\"full_access\"]"`
	Active      bool       `json:"active" doc:"False once the key is revoked or expired."`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"Absent when the key does not expire."`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty" doc:"Up to a minute late; absent when the key was never used."`
}

// NewKeyBody encodes a key.
func NewKeyBody(k app.Key, now time.Time) KeyBody {
	return KeyBody{
		ID: k.ID, Name: k.Name, Permissions: k.Permissions, CreatedAt: k.CreatedAt,
		Active:    k.Active && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt)),
		ExpiresAt: optional(k.ExpiresAt), RevokedAt: optional(k.RevokedAt), LastUsedAt: optional(k.LastUsedAt),
	}
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type keysOutput struct {
	Body struct {
		Keys []KeyBody `json:"keys" doc:"The newest first, at most 200."`
	}
}

type newKeyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Key    KeyBody `json:"key"`
		APIKey string  `json:"api_key" doc:"Shown this once; only its hash is stored."`
	}
}

type newKeyInput struct {
	Body struct {
		_           struct{}   `additionalProperties:"true"`
		Name        string     `json:"name" doc:"What the key is for." example:"CI"`
		Permissions []string   `json:"permissions,omitempty" maxItems:"10" doc:"Default full_access. Others: credentials, analysis, account, keys. A key gives no more than it has."`
		ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"Default: never."`
	}
}

type keyPath struct {
	ID int64 `path:"id" minimum:"1"`
}

type rotateInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body *struct {
		_            struct{} `additionalProperties:"true"`
		GraceMinutes int      `json:"grace_minutes,omitempty" minimum:"0" maximum:"10080" doc:"How long the old key goes on working; default 0."`
	}
}

// registerKeys adds the routes about a customer's own keys.
func (s *server) registerKeys() {
	register(s, s.authenticated(huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: "/api/v1/keys",
		Summary: "The customer's API keys", Tags: []string{"keys"},
	}, app.PermissionAccount), func(ctx context.Context, _ *struct{}) (*keysOutput, error) {
		return s.listKeys(ctx, infoOf(ctx).principal.CustomerID)
	})
	register(s, s.authenticated(huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: "/api/v1/keys", DefaultStatus: http.StatusCreated,
		Summary: "Make another API key", Tags: []string{"keys"},
		Errors: []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, app.PermissionKeys), s.createKey)
	register(s, s.authenticated(huma.Operation{
		OperationID: "rotate-key", Method: http.MethodPost, Path: "/api/v1/keys/{id}/rotate", DefaultStatus: http.StatusCreated,
		Summary: "Replace an API key by a new one with the same permissions", Tags: []string{"keys"},
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, app.PermissionKeys), s.rotateKey)
	register(s, s.authenticated(huma.Operation{
		OperationID: "revoke-key", Method: http.MethodDelete, Path: "/api/v1/keys/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "End an API key at once and for good", Tags: []string{"keys"}, Errors: []int{http.StatusNotFound},
	}, app.PermissionKeys), func(ctx context.Context, in *keyPath) (*struct{}, error) {
		return nil, s.d.KeyRing.RevokeKey(ctx, infoOf(ctx).principal.CustomerID, in.ID, s.d.Now())
	})
}

func (s *server) createKey(ctx context.Context, in *newKeyInput) (*newKeyOutput, error) {
	return s.addKey(ctx, *infoOf(ctx).principal, in.Body.Name, in.Body.Permissions, in.Body.ExpiresAt)
}

// listKeys lists the keys of a customer.
func (s *server) listKeys(ctx context.Context, customerID int64) (*keysOutput, error) {
	keys, err := s.d.KeyRing.CustomerKeys(ctx, customerID)
	if err != nil {
		return nil, err
	}
	out := &keysOutput{}
	out.Body.Keys = []KeyBody{}
	for _, k := range keys {
		out.Body.Keys = append(out.Body.Keys, NewKeyBody(k, s.d.Now()))
	}
	return out, nil
}

func (s *server) rotateKey(ctx context.Context, in *rotateInput) (*newKeyOutput, error) {
	var grace time.Duration
	if in.Body != nil {
		grace = time.Duration(in.Body.GraceMinutes) * time.Minute
	}
	raw, err := app.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := s.d.KeyRing.RotateKey(ctx, infoOf(ctx).principal.CustomerID, in.ID, app.HashKey(raw), s.d.Now(), grace)
	if err != nil {
		return nil, err
	}
	return s.newKey(key, raw), nil
}

func (s *server) newKey(key app.Key, raw string) *newKeyOutput {
	out := &newKeyOutput{CacheControl: "no-store"}
	out.Body.Key, out.Body.APIKey = NewKeyBody(key, s.d.Now()), raw
	return out
}
