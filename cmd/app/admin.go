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
// implies it. The account is an owner's then, which is no customer to count.
func (p *program) adminGrant(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("admin grant", flag.ContinueOnError)
	email := set.String("email", "", "the customer's e-mail address (required)")
	internal := set.Bool("internal", true, "the account is one of our own, no customer's: the funnel leaves it out, its signup,\n"+
		"calls and visits, past and future; --internal=false counts it like anybody's")
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
	if _, err := store.SetInternal(ctx, grant.CustomerID, *internal); err != nil {
		return fmt.Errorf("admin grant: the permission is granted, but the funnel still counts customer %d as before: %s",
			grant.CustomerID, postgres.Redact(err))
	}
	if *internal {
		p.printf("customer %d is internal: the funnel does not count it (--internal=false does)\n", grant.CustomerID)
	} else {
		p.printf("customer %d counts in the funnel like any other\n", grant.CustomerID)
	}
	return nil
}
