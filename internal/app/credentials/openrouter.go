package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// OpenRouterURL is where OpenRouter's API lies.
	OpenRouterURL = "https://openrouter.ai/api/v1"
	// DefaultSpendLimit of one key is in US dollars.
	DefaultSpendLimit = 5.0

	mintTimeout = 8 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
)

// OpenRouter mints keys through OpenRouter's provisioning API.
type OpenRouter struct {
	// BaseURL is OpenRouterURL outside of tests.
	BaseURL string
	// ProvisioningKey may make and delete keys, and nothing else.
	ProvisioningKey string
	// SpendLimit is what one key may spend, in US dollars.
	SpendLimit float64
	// Client is http.DefaultClient when nil.
	Client *http.Client
}

var _ Minter = (*OpenRouter)(nil)

// Mint implements Minter.
func (o *OpenRouter) Mint(ctx context.Context, name string, expiresAt time.Time) (Key, error) {
	body, err := json.Marshal(map[string]any{
		"name": name, "limit": o.SpendLimit, "expires_at": expiresAt.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return Key{}, fmt.Errorf("encoding the request for a key: %w", err)
	}
	var answer struct {
		Key  string `json:"key"`
		Data struct {
			Hash string `json:"hash"`
		} `json:"data"`
	}
	if err := o.call(ctx, http.MethodPost, "/keys", body, &answer); err != nil {
		return Key{}, fmt.Errorf("making a key at OpenRouter: %w", err)
	}
	if answer.Key == "" || answer.Data.Hash == "" {
		return Key{}, errors.New("making a key at OpenRouter: the answer has no key or no hash")
	}
	return Key{Secret: answer.Key, Reference: answer.Data.Hash}, nil
}

// Revoke implements Minter.
func (o *OpenRouter) Revoke(ctx context.Context, reference string) error {
	err := o.call(ctx, http.MethodDelete, "/keys/"+url.PathEscape(reference), nil, nil)
	if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting a key at OpenRouter: %w", err)
	}
	return nil
}

// statusError is an answer that is no success. What the provider wrote may
// repeat a key, so none of it is kept.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("it answered with status %d", e.code) }

func (o *OpenRouter) call(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, mintTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, o.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return errors.New("its base URL cannot be used")
	}
	request.Header.Set("Authorization", "Bearer "+o.ProvisioningKey)
	request.Header.Set("Content-Type", "application/json")
	client := o.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("it was not reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading its answer: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return &statusError{response.StatusCode}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("its answer is not the JSON that was expected")
	}
	return nil
}
