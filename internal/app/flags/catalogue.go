package flags

import (
	"strconv"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// flag names one entry of the catalogue.
type flag int

// The flags that the app knows.
const (
	interactiveROICalculator flag = iota
	teamSizeField
	feedbackForm
	earlyAccessSignup
	welcomeEmailSequence
	coreFeatures
	advancedAnalytics
	customTemplates
	prioritySupport
	teamCollaboration
	apiAccess
	adminDashboard
	metricsDashboard
	feedbackDashboard
	supportTicketSubmission
	userEngagementTracking
	abTesting
	customerSupportDocs
	blog
	displayDraftBlogPosts
	falsePositiveCaching
	publicSite

	flagCount
)

// Known is a flag that the app knows. All of them are boolean.
type Known struct {
	// Key is the flag's name in the flags file.
	Key string
	// Default is the value when the flags file does not say.
	Default bool
	// Description says in a sentence what the flag switches.
	Description string
}

// catalogue is the one list of the flags that the app knows. The defaults are
// those of a fresh installation.
var catalogue = [flagCount]Known{
	interactiveROICalculator: {"interactive_roi_calculator", true, "Offers the return-on-investment calculator."},
	teamSizeField:            {"team_size_field", true, "Asks for the team size on sign-up."},
	feedbackForm:             {"feedback_form", true, "Offers the feedback form."},
	earlyAccessSignup:        {"early_access_signup", true, "Lets visitors sign up for early access."},
	welcomeEmailSequence:     {"welcome_email_sequence", true, "Sends the e-mails that follow a sign-up."},
	coreFeatures:             {"core_features", true, "Offers what every customer has."},
	advancedAnalytics:        {"advanced_analytics", false, "Offers detailed analytics."},
	customTemplates:          {"custom_templates", false, "Lets customers bring their own templates."},
	prioritySupport:          {"priority_support", false, "Offers priority support."},
	teamCollaboration:        {"team_collaboration", false, "Lets a team share one account."},
	apiAccess:                {"api_access", false, "Offers access to the extended API."},
	adminDashboard:           {"admin_dashboard", false, "Shows the administrators' dashboard."},
	metricsDashboard:         {"metrics_dashboard", false, "Shows the metrics dashboard."},
	feedbackDashboard:        {"feedback_dashboard", false, "Shows the feedback that came in."},
	supportTicketSubmission:  {"support_ticket_submission", false, "Lets customers open support tickets."},
	userEngagementTracking:   {"user_engagement_tracking", false, "Records how pages are used."},
	abTesting:                {"a_b_testing", false, "Runs experiments."},
	customerSupportDocs:      {"customer_support_docs", false, "Shows the customers' documentation."},
	blog:                     {"blog", false, "Serves the blog and its feed; 404 while off."},
	displayDraftBlogPosts:    {"display_draft_blog_posts", false, "Shows drafts among the blog posts."},
	falsePositiveCaching:     {"false_positive_caching", false, "Remembers validations that proved to be false positives."},
	publicSite:               {"public_site", false, "Serves the public site."},
}

// Catalogue returns the flags that the app knows, in their order of
// declaration.
func Catalogue() []Known { return append([]Known(nil), catalogue[:]...) }

func find(key string) (Known, bool) {
	for _, known := range catalogue {
		if known.Key == key {
			return known, true
		}
	}
	return Known{}, false
}

// result is the outcome where no file declares the flag.
func (k Known) result() flagd.Result {
	return flagd.Result{Key: k.Key, Type: flagd.Boolean, Value: k.Default, JSON: strconv.AppendBool(nil, k.Default), Reason: flagd.Default}
}

// Blog tells whether the blog and its feed are served.
func (s *Store) Blog() bool { return s.value(blog) }

// DisplayDraftBlogPosts tells whether drafts are shown among the blog posts.
func (s *Store) DisplayDraftBlogPosts() bool { return s.value(displayDraftBlogPosts) }
