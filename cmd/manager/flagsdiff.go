package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/controllers/scheme"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagdiff"
	"github.com/rsolv-dev/rsolv-operator/internal/manifest"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// flagsDiffOptions are the flags of `manager flags diff`.
type flagsDiffOptions struct {
	files, samples     fileList
	namespace, metrics string
}

// flagsDiffCommand says what FeatureFlags in files would change for those whom
// the app was asked about lately. It reads the cluster of the current context
// and changes nothing.
func flagsDiffCommand(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	var o flagsDiffOptions
	set := flag.NewFlagSet("manager flags diff", flag.ContinueOnError)
	set.Var(&o.files, "f", "`file` or folder with FeatureFlags, - for standard input; may be repeated")
	set.Var(&o.samples, "sample", "`file` with what a pod answers at "+contract.FlagsContextsPath+", instead of asking the pods; may be repeated")
	set.StringVar(&o.namespace, "namespace", manifest.DefaultNamespace, "namespace of objects that name none")
	set.StringVar(&o.metrics, "metrics", "", "`file` to write the shares to, in Prometheus' text format")
	if err := set.Parse(args); err != nil {
		return err
	}
	if len(o.files) == 0 || set.NArg() > 0 {
		return errors.New("usage: manager flags diff -f FILE… [--sample FILE…] [--metrics FILE]")
	}
	validator, err := admission.New(crd.Bases)
	if err != nil {
		return err
	}
	var declared manifest.Set
	for _, file := range o.files {
		if err := loadFile(ctx, &declared, validator, file, o.namespace, stdin); err != nil {
			return err
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	reader, err := client.New(config, client.Options{Scheme: scheme.New()})
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	pods, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	return diffApps(ctx, &o, declared.Flags, reader, pods, stdout)
}

// diffApps goes through the apps that the files name.
func diffApps(ctx context.Context, o *flagsDiffOptions, declared []*v1alpha1.FeatureFlag, reader client.Reader, pods kubernetes.Interface, stdout io.Writer) error {
	if len(declared) == 0 {
		return errors.New("the files declare no FeatureFlag")
	}
	byApp := map[client.ObjectKey][]*v1alpha1.FeatureFlag{}
	for _, f := range declared {
		key := client.ObjectKey{Namespace: f.Namespace, Name: f.Spec.DeploymentRef.Name}
		byApp[key] = append(byApp[key], f)
	}
	keys := make([]client.ObjectKey, 0, len(byApp))
	for key := range byApp {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b client.ObjectKey) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
	var metrics *os.File
	if o.metrics != "" {
		var err error
		if metrics, err = os.Create(o.metrics); err != nil {
			return err
		}
		defer metrics.Close() //nolint:errcheck // a failed write has been told
	}
	var errs []error
	for _, key := range keys {
		d := appDiff{o: o, key: key, reader: reader, pods: pods, out: stdout}
		report, err := d.run(ctx, byApp[key])
		errs = append(errs, err)
		if metrics != nil && report != nil {
			errs = append(errs, report.WriteMetrics(metrics, key.Namespace, key.Name))
		}
	}
	return errors.Join(errs...)
}

// appDiff is the dry run for one app.
type appDiff struct {
	o      *flagsDiffOptions
	key    client.ObjectKey
	reader client.Reader
	pods   kubernetes.Interface
	out    io.Writer
}

func (d *appDiff) run(ctx context.Context, declared []*v1alpha1.FeatureFlag) (*flagdiff.Report, error) {
	var app v1alpha1.RsolvDeployment
	if err := d.reader.Get(ctx, d.key, &app); err != nil {
		return nil, fmt.Errorf("reading RsolvDeployment %s in namespace %s: %w", d.key.Name, d.key.Namespace, err)
	}
	var list v1alpha1.FeatureFlagList
	if err := d.reader.List(ctx, &list, client.InNamespace(d.key.Namespace)); err != nil {
		return nil, fmt.Errorf("listing FeatureFlags: %w", err)
	}
	published := []byte(`{"flags":{}}`)
	var configMap corev1.ConfigMap
	err := d.reader.Get(ctx, client.ObjectKey{Namespace: d.key.Namespace, Name: flags.ConfigMapName(d.key.Name)}, &configMap)
	switch {
	case err == nil:
		published = []byte(configMap.Data[contract.FlagsFile])
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading the published flags: %w", err)
	}
	now := time.Now()
	plan := flags.Make(flags.Input{App: &app, Flags: replace(list.Items, declared, d.key.Name, now), Published: published})
	refused := 0
	for _, verdict := range plan.Verdicts {
		if !verdict.Current() && slices.ContainsFunc(declared, func(f *v1alpha1.FeatureFlag) bool { return f.Name == verdict.Flag.Name }) {
			refused++
			fmt.Fprintf(d.out, "%s: would not be published: %s\n", verdict.Key, verdict.Message) //nolint:errcheck // nowhere left to complain
		}
	}
	samples, err := d.sample(ctx)
	if err != nil {
		return nil, err
	}
	report, err := flagdiff.Compare(published, plan.File, samples, now)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(d.out, report.Text()); err != nil {
		return nil, fmt.Errorf("printing: %w", err)
	}
	if refused > 0 {
		return &report, fmt.Errorf("%d of the FeatureFlags would not be published", refused)
	}
	return &report, nil
}

// replace puts declared flags in the place of those that exist, or beside them
// as the youngest.
func replace(existing []v1alpha1.FeatureFlag, declared []*v1alpha1.FeatureFlag, app string, now time.Time) []*v1alpha1.FeatureFlag {
	byName := map[string]*v1alpha1.FeatureFlag{}
	for _, f := range declared {
		byName[f.Name] = f
	}
	var all []*v1alpha1.FeatureFlag
	for i := range existing {
		old := &existing[i]
		if f, ok := byName[old.Name]; ok {
			f.ObjectMeta = old.ObjectMeta
			continue
		}
		if old.Spec.DeploymentRef.Name == app {
			all = append(all, old)
		}
	}
	for _, f := range declared {
		if f.CreationTimestamp.IsZero() {
			f.CreationTimestamp = metav1.NewTime(now)
		}
		all = append(all, f)
	}
	return all
}

// sample asks the app's pods, through the API server, whom they were asked
// about, or reads what they said before.
func (d *appDiff) sample(ctx context.Context) ([]contract.FlagsSample, error) {
	var samples []contract.FlagsSample
	for _, name := range d.o.samples {
		raw, err := os.ReadFile(name) //nolint:gosec // the user's own choice of file
		if err != nil {
			return nil, err // the error names operation and file
		}
		if samples, err = addSample(samples, raw, name); err != nil {
			return nil, err
		}
	}
	if len(d.o.samples) > 0 {
		return samples, nil
	}
	var list corev1.PodList
	err := d.reader.List(ctx, &list, client.InNamespace(d.key.Namespace), client.MatchingLabels{
		contract.LabelDeployment: d.key.Name, contract.LabelComponent: contract.ComponentServer,
	})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", d.key.Name, err)
	}
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
			continue
		}
		raw, err := d.pods.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, fmt.Sprint(contract.AdminPort), contract.FlagsContextsPath, nil).DoRaw(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking pod %s through the API server: %w; where a NetworkPolicy forbids that, save what `kubectl port-forward %s %d` gives at %s to a file and name it by --sample",
				pod.Name, err, pod.Name, contract.AdminPort, contract.FlagsContextsPath)
		}
		if samples, err = addSample(samples, raw, "pod "+pod.Name); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

func addSample(samples []contract.FlagsSample, raw []byte, from string) ([]contract.FlagsSample, error) {
	var sample contract.FlagsSample
	if err := json.Unmarshal(raw, &sample); err != nil {
		return nil, fmt.Errorf("%s does not answer with a sample of contexts: %w", from, err)
	}
	return append(samples, sample), nil
}
