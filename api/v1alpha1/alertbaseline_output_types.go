package v1alpha1

// Dashboard tunes the Grafana dashboard.
type Dashboard struct {
	// UID of the dashboard, its permanent address /d/<uid>. The default is made
	// from namespace and name.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]*$`
	UID string `json:"uid,omitempty"`

	// Folder that Grafana's sidecar files the dashboard under.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Folder string `json:"folder,omitempty"`

	// FolderAnnotation is the annotation in which the sidecar looks for the
	// folder; its setting is called folderAnnotation.
	//
	// +optional
	// +kubebuilder:default=grafana_folder
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	FolderAnnotation string `json:"folderAnnotation,omitempty"`

	// Labels of the ConfigMap by which the sidecar finds it; its settings are
	// called label and labelValue. The default is grafana_dashboard: "1".
	//
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	Labels map[string]string `json:"labels,omitempty"`

	// Panels to draw below those of the thresholds: what is worth seeing and
	// alerts nobody.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=24
	Panels []Panel `json:"panels,omitempty"`

	// BaseURL of Grafana, for example https://grafana.rsolv.dev. Alerts link to
	// the dashboard below it.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^https?://[^\s]+$`
	BaseURL string `json:"baseURL,omitempty"`
}

// Panel is one more panel of the dashboard.
type Panel struct {
	// Title of the panel.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Title string `json:"title"`

	// Description that the panel shows on request.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Kind is Graph, the values over time, or one that shows the last values:
	// Stat as figures, Gauge on a dial, Bars beside each other, Pie as shares of
	// their sum, and Table as rows of labels and values, the greatest first.
	//
	// +optional
	// +kubebuilder:default=Graph
	Kind PanelKind `json:"kind,omitempty"`

	// Unit as Grafana calls it: short, percentunit, ms, reqps, currencyUSD.
	//
	// +optional
	// +kubebuilder:default=short
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9/:._-]+$`
	Unit string `json:"unit,omitempty"`

	// Steps colour values, and are lines in a Graph. For a share of which 95%
	// is good and less than 90% is bad: [{color: red}, {from: "0.90", color:
	// yellow}, {from: "0.95", color: green}]. The default is green.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	// +kubebuilder:validation:XValidation:rule="self.filter(s, !has(s.from)).size() <= 1",message="two steps have no from: only the one below all others goes without"
	Steps []PanelStep `json:"steps,omitempty"`

	// Queries to draw.
	//
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Queries []PanelQuery `json:"queries"`
}

// PanelKind is a way to show values.
//
// +kubebuilder:validation:Enum=Graph;Stat;Gauge;Bars;Pie;Table
type PanelKind string

// Values of PanelKind.
const (
	PanelGraph PanelKind = "Graph"
	PanelStat  PanelKind = "Stat"
	PanelGauge PanelKind = "Gauge"
	PanelBars  PanelKind = "Bars"
	PanelPie   PanelKind = "Pie"
	PanelTable PanelKind = "Table"
)

// PanelStep is a colour, and the value that it begins at.
type PanelStep struct {
	// From is the least value of this colour, in the unit of the queries: "0.95"
	// for 95% in percentunit. Without it, the colour is that of all lesser values.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^-?[0-9]+([.][0-9]+)?$')",message="a step begins at a bare number, for example \"0.95\" or \"1000\""
	From string `json:"from,omitempty"`

	// Color of the values.
	//
	// +kubebuilder:validation:Enum=green;yellow;orange;red;blue
	Color string `json:"color"`
}

// PanelQuery is a query of a panel.
type PanelQuery struct {
	// Expr is any PromQL expression with an instant vector as its value.
	// $selector, $namespace and $deployment stand for what they do in a signal.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`

	// Legend of its series, for example {{plan}}. The default are their labels.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Legend string `json:"legend,omitempty"`
}

// Outputs tunes the generated objects.
type Outputs struct {
	// Rules is the kind of object that holds the rules: PrometheusRule, or a
	// ConfigMap called <name>-rules for a Prometheus without its operator, to
	// be mounted where the rule_files of its configuration look.
	//
	// +optional
	// +kubebuilder:default=PrometheusRule
	// +kubebuilder:validation:Enum=PrometheusRule;ConfigMap
	Rules RulesOutput `json:"rules,omitempty"`

	// Labels for the object that holds the rules, so that a Prometheus selects
	// it, for example release: kube-prometheus-stack.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Labels map[string]string `json:"labels,omitempty"`
}

// RulesOutput is a kind of object.
type RulesOutput string

// Values of RulesOutput.
const (
	RulesInPrometheusRule RulesOutput = "PrometheusRule"
	RulesInConfigMap      RulesOutput = "ConfigMap"
)
