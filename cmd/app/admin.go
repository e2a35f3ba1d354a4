package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// adminGrant gives the permission admin to a customer's active keys. It is how
// the first administrator comes to be: no other permission and no address
// implies it.
func (p *program) adminGrant(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("admin grant", flag.ContinueOnError)
	email := set.String("email", "", "the customer's e-mail address (required)")
	if err := p.parse(set, args); err != nil {
		return err
	}
	address := strings.TrimSpace(*email)
	if address == "" {
		return usagef("admin grant: --email is required: the address of the customer whose keys get the permission")
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	grant, err := store.GrantPermission(ctx, address, app.PermissionAdmin)
	if app.CodeOf(err) == app.CodeNotFound {
		return fmt.Errorf("admin grant: no customer has the address %s: check its spelling", address)
	}
	if err != nil {
		return fmt.Errorf("admin grant: %s", postgres.Redact(err))
	}
	if grant.Active == 0 {
		return fmt.Errorf("admin grant: customer %d (%s) has no active API key, so nothing was granted", grant.CustomerID, address)
	}
	p.printf("customer %d (%s): %d of %d active API keys newly have the permission %s\n",
		grant.CustomerID, address, grant.Changed, grant.Active, app.PermissionAdmin)
	return nil
}
