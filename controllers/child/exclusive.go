package child

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Server-side apply puts back what we declare and leaves alone what others
// add. Where an addition changes what an object does, a shape says so, and it
// is removed.

// shape describes a part of an object. The zero value is a part in which
// everybody may add.
type shape struct {
	// fields are looked into by name. One of them that is not declared goes.
	fields map[string]shape
	// exact lets no field stay that is not declared.
	exact bool
	// key makes the part a list, whose elements it names. Each of the declared
	// ones has the shape of element; others go, unless guests is set.
	key     string
	element *shape
	guests  bool
}

var (
	declaredOnly = shape{exact: true}
	// action is a probe or a hook, which does one thing.
	action = anyOf("exec", "grpc", "httpGet", "initialDelaySeconds", "sleep", "tcpSocket", "terminationGracePeriodSeconds")
	// variable comes from one place.
	variable = shape{exact: true, fields: map[string]shape{"valueFrom": declaredOnly}}
	// volume is filled from one place, wholly.
	volume = shape{exact: true, fields: map[string]shape{"configMap": anyOf("items")}}
	// container is a container of ours. All that the API server fills in in
	// one is declared too, so that every other field is somebody's.
	container = shape{exact: true, fields: map[string]shape{
		"env":             {key: "name", element: &variable},
		"lifecycle":       {exact: true, fields: map[string]shape{"preStop": action}},
		"livenessProbe":   action,
		"ports":           {key: "name", element: &declaredOnly},
		"readinessProbe":  action,
		"resources":       {fields: map[string]shape{"limits": declaredOnly, "requests": declaredOnly}},
		"securityContext": rights,
		"startupProbe":    action,
		"volumeMounts":    {key: "mountPath", element: &declaredOnly},
	}}
	// rights are what a container may do. What is not declared comes from the
	// pod.
	rights = shape{fields: map[string]shape{
		"appArmorProfile": {}, "capabilities": declaredOnly, "privileged": {}, "runAsGroup": {}, "runAsNonRoot": {},
		"runAsUser": {}, "seLinuxOptions": {}, "seccompProfile": {}, "windowsOptions": {},
	}}
	// pod lets containers and volumes of others be, as injectors add them.
	pod = shape{fields: map[string]shape{
		"containers":            {key: "name", element: &container, guests: true},
		"volumes":               {key: "name", element: &volume, guests: true},
		"hostIPC":               {},
		"hostNetwork":           {},
		"hostPID":               {},
		"shareProcessNamespace": {},
	}}
	budget = shape{fields: map[string]shape{
		"minAvailable": {},
		"selector":     choice,
	}}
	// choice is by the labels that are declared, and by nothing else.
	choice    = shape{exact: true, fields: map[string]shape{"matchLabels": declaredOnly}}
	namedOnly = shape{key: "name", element: &declaredOnly}
)

// exclusive are the shapes of the kinds that have one.
var exclusive = map[schema.GroupKind]shape{
	{Kind: "ConfigMap"}:                 {fields: map[string]shape{"data": declaredOnly, "binaryData": declaredOnly}},
	{Kind: "Service"}:                   in("spec", shape{fields: map[string]shape{"selector": declaredOnly}}),
	{Group: "apps", Kind: "Deployment"}: in("spec", in("template", in("spec", pod))),
	{Group: "monitoring.coreos.com", Kind: "AlertmanagerConfig"}: in("spec", shape{exact: true, fields: map[string]shape{"route": declaredOnly, "receivers": namedOnly}}),
	{Group: "monitoring.coreos.com", Kind: "PrometheusRule"}:     in("spec", shape{fields: map[string]shape{"groups": namedOnly}}),
	{Group: "monitoring.coreos.com", Kind: "ServiceMonitor"}:     in("spec", in("selector", choice)),
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:          in("spec", in("podSelector", choice)),
	{Group: "policy", Kind: "PodDisruptionBudget"}:               in("spec", budget),
}

func in(field string, s shape) shape { return shape{fields: map[string]shape{field: s}} }

// anyOf is a part of which these fields go unless they are declared.
func anyOf(fields ...string) shape {
	s := shape{fields: map[string]shape{}}
	for _, field := range fields {
		s.fields[field] = shape{}
	}
	return s
}

// prune takes from live what the shape does not allow, and puts back what is
// missing: the source of a volume, say, that another one has replaced, for the
// API server lets no volume be without.
func (s shape) prune(declared, live map[string]any) {
	for name, value := range live {
		part, known := s.fields[name]
		want, wanted := declared[name]
		switch {
		case !wanted && (known || s.exact):
			delete(live, name)
		case !wanted || !known:
		case part.key != "":
			live[name] = part.pruneList(want, value)
		default:
			wantFields, _ := want.(map[string]any)
			liveFields, _ := value.(map[string]any)
			part.prune(wantFields, liveFields)
		}
	}
	for name, want := range declared {
		_, known := s.fields[name]
		if _, there := live[name]; !there && (known || s.exact) {
			live[name] = runtime.DeepCopyJSONValue(want)
		}
	}
}

func (s shape) pruneList(declared, live any) any {
	wants, _ := declared.([]any)
	items, ok := live.([]any)
	if !ok {
		return live
	}
	kept := make([]any, 0, len(items))
	for _, item := range items {
		fields, _ := item.(map[string]any)
		want := s.named(wants, fields[s.key])
		if want != nil {
			s.element.prune(want, fields)
		}
		if want != nil || s.guests {
			kept = append(kept, item)
		}
	}
	return kept
}

// named finds the element of this name; nil is none.
func (s shape) named(items []any, name any) map[string]any {
	for _, item := range items {
		if fields, ok := item.(map[string]any); ok && name != nil && fields[s.key] == name {
			return fields
		}
	}
	return nil
}
