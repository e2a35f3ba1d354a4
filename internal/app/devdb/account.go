package devdb

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// account is who the server runs as.
type account struct{ uid, gid int }

// serverAccount is nil for ordinary users, who run the server themselves.
// PostgreSQL refuses to run as root, so root needs the user postgres.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no account means the current user
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root and there is no user postgres: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("the user postgres has the id %q: %w", u.Uid, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("the group of the user postgres has the id %q: %w", u.Gid, err)
	}
	return &account{uid: uid, gid: gid}, nil
}
