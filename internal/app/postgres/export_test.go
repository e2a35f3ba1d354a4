package postgres

// MigrateWaiting is Migrate with another wait for the lock.
var MigrateWaiting = migrate
