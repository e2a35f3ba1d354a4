package routing

// The texts of notifications, in Alertmanager's template language. They are
// short: what is wrong, by how much, since when, and what to do.
const (
	subject = `[{{ if eq .Status "resolved" }}RESOLVED{{ else }}{{ with .CommonLabels.severity }}{{ . | toUpper }}{{ else }}FIRING{{ end }}{{ end }}] ` +
		`{{ with .CommonLabels.alertname }}{{ . }}{{ else }}{{ len .Alerts }} alerts{{ end }}` +
		`{{ with .CommonLabels.service }} · {{ . }}{{ end }}{{ with .CommonLabels.namespace }} in {{ . }}{{ end }}`

	text = `{{ range .Alerts.Firing }}{{ .Labels.alertname }} ({{ .Labels.severity }}): {{ .Annotations.summary }}
{{ .Annotations.description }}
Since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC.
{{ with .Annotations.runbook_url }}What to do: {{ . }}
{{ end }}{{ with .Annotations.dashboard_url }}Dashboard: {{ . }}
{{ end }}
{{ end }}{{ range .Alerts.Resolved }}Over: {{ .Labels.alertname }} ({{ .Labels.severity }}): {{ .Annotations.summary }}
From {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} to {{ .EndsAt.UTC.Format "2006-01-02 15:04:05" }} UTC.

{{ end }}`

	// pagerDutySeverity is one of PagerDuty's own four words.
	pagerDutySeverity = `{{ with .CommonLabels.severity }}{{ . }}{{ else }}error{{ end }}`
)
