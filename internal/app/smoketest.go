package app

// What a smoke test and onboarding agree on. The smoke test writes the hash of
// a random token to the database and sends the token with its signup; onboarding
// takes the hash away and marks the customer as internal, in one transaction.
// Whoever cannot write to the database can therefore not make such a customer,
// and a token that was seen on the way is of no use any more.
const (
	// SmokeTestHeader carries the token.
	SmokeTestHeader = "X-Rsolv-Smoke-Test"
	// SmokeTestSource is the source of the smoke test's signups.
	SmokeTestSource = "smoke-test"
)

// SmokeTestProgress is how far a smoke test's customer has come.
type SmokeTestProgress struct {
	// Internal customers are counted nowhere.
	Internal bool
	// The stages of the funnel.
	SignedUp, HasKey, Activated, Retained bool
}
