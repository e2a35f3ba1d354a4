package app

// Plan is what a customer has subscribed to.
type Plan string

// The plans. Beta is for confirmed testers, whose fixes nobody counts.
const (
	PlanTrial      Plan = "trial"
	PlanPayAsYouGo Plan = "pay_as_you_go"
	PlanPro        Plan = "pro"
	PlanBeta       Plan = "beta"
)

// Plans lists them all.
func Plans() []Plan { return []Plan{PlanTrial, PlanPayAsYouGo, PlanPro, PlanBeta} }

// Prices in US cents.
const (
	ProMonthlyCents  = 59900
	PayAsYouGoCents  = 2900
	ProOverageCents  = 1500
	LowCreditBalance = 5
)

// Unlimited says whether fixes and usage have no limit.
func (p Plan) Unlimited() bool { return p == PlanBeta }

// FixCents is what one fix costs when the credits are used up.
func (p Plan) FixCents() int64 {
	if p == PlanPro {
		return ProOverageCents
	}
	return PayAsYouGoCents
}
