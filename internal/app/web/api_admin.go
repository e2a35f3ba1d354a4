package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// AdminCustomer is a customer as administrators see it.
type AdminCustomer struct {
	ID            int64          `json:"id"`
	Name          string         `json:"name"`
	Email         string         `json:"email"`
	EmailVerified bool           `json:"email_verified"`
	Approved      bool           `json:"approved" doc:"Whether an administrator vouches for the customer."`
	Active        bool           `json:"active"`
	Internal      bool           `json:"internal" doc:"One of our own, which no figure counts."`
	CreatedAt     time.Time      `json:"created_at"`
	Plan          customerPlan   `json:"plan"`
	Credits       int            `json:"credits"`
	Limits        customerLimits `json:"limits"`
}

func newAdminCustomer(c app.Customer) AdminCustomer {
	return AdminCustomer{
		ID: c.ID, Name: c.Name, Email: c.Email, EmailVerified: c.EmailVerified, Approved: c.Approved, Active: c.Active,
		Internal: c.Internal, CreatedAt: c.CreatedAt, Plan: customerPlan{Type: c.SubscriptionType, State: c.SubscriptionState},
		Credits: c.CreditBalance,
		Limits: customerLimits{
			MonthlyLimit: c.MonthlyLimit, CurrentUsage: c.CurrentUsage, TrialFixesLimit: c.TrialFixesLimit, TrialFixesUsed: c.TrialFixesUsed,
		},
	}
}

type adminCustomersInput struct {
	After  int64  `query:"after" minimum:"0" doc:"Customers after this id."`
	Search string `query:"search" maxLength:"200" doc:"Part of the name or the address."`
}

type adminCustomersOutput struct {
	Body struct {
		Customers []AdminCustomer `json:"customers" doc:"By id, at most 100."`
		Next      string          `json:"next,omitempty" doc:"The value of after for the next page."`
	}
}

type adminCustomerOutput struct{ Body AdminCustomer }

type customerPath struct {
	ID int64 `path:"id" minimum:"1"`
}

type adminChangeInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		_            struct{}  `additionalProperties:"true"`
		Name         *string   `json:"name,omitempty"`
		Email        *string   `json:"email,omitempty" doc:"A new address is not confirmed."`
		Active       *bool     `json:"active,omitempty" doc:"False ends all keys at once."`
		Plan         *app.Plan `json:"plan,omitempty" enum:"trial,pay_as_you_go,pro,beta" doc:"beta has no limits."`
		MonthlyLimit *int      `json:"monthly_limit,omitempty"`
		Approved     *bool     `json:"approved,omitempty"`
	}
}

type adminCreditInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		_      struct{} `additionalProperties:"true"`
		Amount int      `json:"amount" minimum:"-100000" maximum:"100000" doc:"Negative takes credits away."`
		Reason string   `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type adminKeyInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		_           struct{}   `additionalProperties:"true"`
		Name        string     `json:"name"`
		Permissions []string   `json:"permissions,omitempty" maxItems:"10" doc:"Default full_access; admin may be among them."`
		ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	}
}

type adminKeyPath struct {
	ID  int64 `path:"id" minimum:"1"`
	Key int64 `path:"key" minimum:"1"`
}

type eraseInput struct {
	Body struct {
		_       struct{} `additionalProperties:"true"`
		Confirm string   `json:"confirm" doc:"The customer's e-mail address."`
	}
}

type exportOutput struct {
	CacheControl string `header:"Cache-Control"`
	Disposition  string `header:"Content-Disposition"`
	Body         map[string]json.RawMessage
}

// registerAdmin adds what administrators do with customers and keys. Nothing of
// it is for browsers: a key is in a header, which no other site can send.
func (s *server) registerAdmin() {
	const base = "/api/admin/customers"
	op := func(id, method, path, summary string, status int, errors ...int) huma.Operation {
		return s.authenticated(huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"admin"}, DefaultStatus: status,
			Errors: append(errors, http.StatusUnprocessableEntity), Description: "Needs the permission admin.",
		}, app.PermissionAdmin)
	}
	register(s, op("admin-list-customers", http.MethodGet, base, "Customers", http.StatusOK), s.adminCustomers)
	register(s, op("admin-get-customer", http.MethodGet, base+"/{id}", "One customer", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *customerPath) (*adminCustomerOutput, error) {
			c, err := s.d.Customers.Customer(ctx, in.ID)
			return &adminCustomerOutput{newAdminCustomer(c)}, err
		})
	register(s, op("admin-change-customer", http.MethodPatch, base+"/{id}", "Change a customer", http.StatusOK, http.StatusNotFound), s.adminChange)
	register(s, op("admin-erase-customer", http.MethodDelete, base+"/{id}", "Erase a customer and all that is stored about it",
		http.StatusNoContent, http.StatusNotFound), func(ctx context.Context, in *customerPath) (*struct{}, error) {
		return nil, s.d.Registry.Erase(ctx, in.ID)
	})
	register(s, op("admin-export-customer", http.MethodGet, base+"/{id}/export", "All that is stored about a customer", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *customerPath) (*exportOutput, error) { return s.export(ctx, in.ID) })
	register(s, op("admin-adjust-credits", http.MethodPost, base+"/{id}/credits", "Give credits, or take them away",
		http.StatusOK, http.StatusNotFound, http.StatusConflict), s.adminCredits)
	register(s, op("admin-list-keys", http.MethodGet, base+"/{id}/keys", "A customer's API keys", http.StatusOK),
		func(ctx context.Context, in *customerPath) (*keysOutput, error) { return s.listKeys(ctx, in.ID) })
	register(s, op("admin-create-key", http.MethodPost, base+"/{id}/keys", "Make an API key for a customer",
		http.StatusCreated, http.StatusNotFound, http.StatusConflict), s.adminCreateKey)
	register(s, op("admin-revoke-key", http.MethodDelete, base+"/{id}/keys/{key}", "End a customer's API key",
		http.StatusNoContent, http.StatusNotFound), func(ctx context.Context, in *adminKeyPath) (*struct{}, error) {
		return nil, s.d.KeyRing.RevokeKey(ctx, in.ID, in.Key, s.d.Now())
	})
}

func (s *server) adminCustomers(ctx context.Context, in *adminCustomersInput) (*adminCustomersOutput, error) {
	customers, err := s.d.Registry.Customers(ctx, in.After, in.Search)
	if err != nil {
		return nil, err
	}
	out := &adminCustomersOutput{}
	out.Body.Customers = []AdminCustomer{}
	for _, c := range customers {
		out.Body.Customers = append(out.Body.Customers, newAdminCustomer(c))
	}
	if n := len(customers); n == 100 {
		out.Body.Next = strconv.FormatInt(customers[n-1].ID, 10)
	}
	return out, nil
}

func (s *server) adminChange(ctx context.Context, in *adminChangeInput) (*adminCustomerOutput, error) {
	b := in.Body
	change, err := app.NewCustomerChange(app.CustomerChange{
		Name: b.Name, Email: b.Email, Active: b.Active, Plan: b.Plan, MonthlyLimit: b.MonthlyLimit, Approved: b.Approved,
	})
	if err != nil {
		return nil, err
	}
	c, err := s.d.Registry.ChangeCustomer(ctx, in.ID, change, s.d.Now())
	return &adminCustomerOutput{newAdminCustomer(c)}, err
}

func (s *server) adminCredits(ctx context.Context, in *adminCreditInput) (*adminCustomerOutput, error) {
	if in.Body.Amount == 0 {
		return nil, app.Invalid(app.FieldError{Field: "amount", Message: "must not be 0"})
	}
	by := strconv.FormatInt(infoOf(ctx).principal.CustomerID, 10)
	err := s.d.Accounts.OnAccount(ctx, in.ID, s.d.Now(), func(l app.Ledger) error {
		return l.Credit(ctx, in.Body.Amount, app.CreditSourceAdjustment, map[string]string{"reason": in.Body.Reason, "by": by})
	})
	if err != nil {
		return nil, err
	}
	if in.Body.Amount > 0 {
		s.d.Metrics.CountCredits(app.CreditSourceAdjustment, in.Body.Amount)
	}
	c, err := s.d.Customers.Customer(ctx, in.ID)
	return &adminCustomerOutput{newAdminCustomer(c)}, err
}

func (s *server) adminCreateKey(ctx context.Context, in *adminKeyInput) (*newKeyOutput, error) {
	// An administrator gives what it has, and everything a customer may have.
	holder := app.Principal{CustomerID: in.ID, Permissions: []string{app.PermissionFullAccess, app.PermissionAdmin}}
	return s.addKey(ctx, holder, in.Body.Name, in.Body.Permissions, in.Body.ExpiresAt)
}

func (s *server) addKey(
	ctx context.Context, holder app.Principal, name string, permissions []string, expires *time.Time,
) (*newKeyOutput, error) {
	var expiresAt time.Time
	if expires != nil {
		expiresAt = *expires
	}
	draft, err := app.NewKeyDraft(holder, name, permissions, expiresAt, s.d.Now())
	if err != nil {
		return nil, err
	}
	raw, err := app.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	draft.Hash = app.HashKey(raw)
	key, err := s.d.KeyRing.AddKey(ctx, draft)
	if err != nil {
		return nil, err
	}
	return s.newKey(key, raw), nil
}

func (s *server) export(ctx context.Context, id int64) (*exportOutput, error) {
	rows, err := s.d.Registry.Export(ctx, id)
	if err != nil {
		return nil, err
	}
	return &exportOutput{CacheControl: "no-store", Disposition: `attachment; filename="rsolv-export.json"`, Body: rows}, nil
}

// registerPrivacy adds what customers may ask about themselves.
func (s *server) registerPrivacy() {
	register(s, s.authenticated(huma.Operation{
		OperationID: "export-customer", Method: http.MethodGet, Path: "/api/v1/customers/me/export",
		Summary: "All that is stored about the customer, by table", Tags: []string{"customers"},
	}, app.PermissionFullAccess), func(ctx context.Context, _ *struct{}) (*exportOutput, error) {
		return s.export(ctx, infoOf(ctx).principal.CustomerID)
	})
	register(s, s.authenticated(huma.Operation{
		OperationID: "erase-customer", Method: http.MethodDelete, Path: "/api/v1/customers/me", DefaultStatus: http.StatusNoContent,
		Summary: "Erase the customer and all that is stored about it, at once and for good", Tags: []string{"customers"},
		Errors: []int{http.StatusUnprocessableEntity},
	}, app.PermissionFullAccess), s.eraseMe)
	register(s, s.authenticated(huma.Operation{
		OperationID: "verify-email", Method: http.MethodPost, Path: "/api/v1/customers/me/verify-email", DefaultStatus: http.StatusAccepted,
		Summary: "Send the link again that confirms the address", Tags: []string{"customers"},
	}, app.PermissionAccount), func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, s.d.Registry.AskVerification(ctx, infoOf(ctx).principal.CustomerID)
	})
}

func (s *server) eraseMe(ctx context.Context, in *eraseInput) (*struct{}, error) {
	who := infoOf(ctx)
	c, err := s.d.Customers.Customer(ctx, who.principal.CustomerID)
	if err != nil {
		return nil, err
	}
	if in.Body.Confirm != c.Email {
		return nil, app.Invalid(app.FieldError{Field: "confirm", Message: "must be the customer's e-mail address: what is erased does not come back"})
	}
	who.untracked = true // nobody is left to count
	return nil, s.d.Registry.Erase(ctx, c.ID)
}
