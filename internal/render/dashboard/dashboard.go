// Package dashboard turns an AlertBaseline into a Grafana dashboard: a row for
// each component, in it a figure for each threshold and graphs of the same
// series that the alerts read, with the same numbers as lines. It is pure.
package dashboard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// Label and annotation that Grafana's sidecar looks for unless it is told
// otherwise.
const (
	sidecarLabel     = "grafana_dashboard"
	folderAnnotation = "grafana_folder"
)

// Name of the ConfigMap for a baseline.
func Name(baseline string) string { return baseline + nameSuffix }

const nameSuffix = "-dashboard"

// ConfigMap holds the dashboard for the sidecar. plans are those of
// alerts.Rules; a threshold that has none is left out.
func ConfigMap(baseline *v1alpha1.AlertBaseline, plans []alerts.Plan) *unstructured.Unstructured {
	labels := map[string]string{sidecarLabel: "1"}
	d := baseline.Spec.Dashboard
	if d != nil && len(d.Labels) > 0 {
		labels = maps.Clone(d.Labels)
	}
	metadata := alerts.Metadata(baseline, Name(baseline.Name), contract.ComponentDashboard, labels)
	if d != nil && d.Folder != "" {
		metadata.WithAnnotations(map[string]string{cmp.Or(d.FolderAnnotation, folderAnnotation): d.Folder})
	}
	// The sidecar writes the dashboards of all namespaces into one folder.
	file := namespace(baseline) + "-" + baseline.Name + ".json"
	return render.Object(&corev1ac.ConfigMapApplyConfiguration{
		TypeMetaApplyConfiguration:   *(&metav1ac.TypeMetaApplyConfiguration{}).WithAPIVersion("v1").WithKind("ConfigMap"),
		ObjectMetaApplyConfiguration: metadata,
		Data:                         map[string]string{file: string(JSON(baseline, plans))},
	})
}

// JSON is the dashboard in Grafana's model.
func JSON(baseline *v1alpha1.AlertBaseline, plans []alerts.Plan) []byte {
	b := builder{plans: plans}
	for _, component := range components(plans) {
		b.component(component)
	}
	added, _ := alerts.Panels(baseline)
	b.more(added)
	prometheus := datasource{Type: "prometheus", UID: "${datasource}"}
	m := model{
		UID:   alerts.DashboardUID(baseline),
		Title: baseline.Spec.DeploymentRef.Name + ": " + baseline.Name + " (" + namespace(baseline) + ")",
		Description: "Made from the AlertBaseline " + baseline.Name + " in namespace " + namespace(baseline) +
			": change that, not this.",
		Tags:          []string{"rsolv", "alert-baseline"},
		SchemaVersion: schemaVersion,
		GraphTooltip:  1,
		Refresh:       "30s",
		Time:          timeRange{From: "now-6h", To: "now"},
		Timezone:      "browser",
		Templating:    templating{List: []variable{{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus"}}},
		Annotations: annotationList{List: []annotation{{
			Name: "Alerts", Datasource: prometheus, Enable: true, IconColor: "red", TitleFormat: "{{alertname}}",
			Expr: "ALERTS{alertstate=\"firing\",baseline=" + strconv.Quote(baseline.Name) + ",namespace=" + strconv.Quote(namespace(baseline)) + "}",
		}}},
		Panels: b.panels,
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(m); err != nil {
		panic(fmt.Sprintf("dashboard: the model does not marshal: %v", err))
	}
	return out.Bytes()
}

func namespace(baseline *v1alpha1.AlertBaseline) string {
	if baseline.Namespace == "" {
		return "default"
	}
	return baseline.Namespace
}

// components in the order in which the thresholds name them.
func components(plans []alerts.Plan) []string {
	var all []string
	for i := range plans {
		if !slices.Contains(all, plans[i].Component) {
			all = append(all, plans[i].Component)
		}
	}
	return all
}
