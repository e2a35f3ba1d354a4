package v1alpha1

// AlertOptions add to every alert of a baseline.
type AlertOptions struct {
	// Labels to add to each alert, for example team: platform.
	//
	// +optional
	Labels AlertLabels `json:"labels,omitempty"`

	// Annotations to add to each alert.
	//
	// +optional
	Annotations AlertAnnotations `json:"annotations,omitempty"`

	// RunbookURL is where the remedies are written down. {alert} in it stands
	// for the name of the alert; without it, /<alert> is added at the end. The
	// default leads to the runbooks of the samples.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^https?://[^\s]+$`
	RunbookURL string `json:"runbookURL,omitempty"`
}

// AlertLabels are added to alerts. Routing can go by them.
//
// +kubebuilder:validation:MaxProperties=8
// +kubebuilder:validation:XValidation:rule="self.all(l, l.size() <= 63 && l.matches('^[a-zA-Z_][a-zA-Z0-9_]*$'))",message="a label name has letters, digits and _, and does not begin with a digit"
// +kubebuilder:validation:XValidation:rule="self.all(l, !(l in ['alertname', 'severity', 'component', 'service', 'namespace', 'threshold', 'baseline']))",message="alertname, severity, component, service, namespace, threshold and baseline are set by the operator, and routing relies on them: choose another name"
// +kubebuilder:validation:XValidation:rule="self.all(l, !self[l].contains('{{'))",message="a label cannot be a template: a value that changes would make a new alert each time; put it into an annotation"
type AlertLabels map[string]LabelValue

// AlertAnnotations are added to alerts. Their texts are templates as Prometheus
// knows them: {{ $value | humanize }}, {{ $labels.pod }}.
//
// +kubebuilder:validation:MaxProperties=8
// +kubebuilder:validation:XValidation:rule="self.all(a, a.size() <= 63 && a.matches('^[a-zA-Z_][a-zA-Z0-9_]*$'))",message="an annotation name has letters, digits and _, and does not begin with a digit"
type AlertAnnotations map[string]AnnotationText

// AnnotationText is a template as Prometheus knows it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type AnnotationText string

// FlagGuard is a value that a feature flag must have.
type FlagGuard struct {
	// Key of a flag of type Boolean, as in the FeatureFlag.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9]*(_[a-z0-9]+)*$')",message="a flag's key has lower-case letters and digits, in words joined by _, for example display_draft_blog_posts"
	Key string `json:"key"`

	// Is the value at which the threshold alerts. While the flag is known to
	// have the other one, now or when the app was last seen within the hour, it
	// does not. While nothing is known, it does.
	Is bool `json:"is"`
}
