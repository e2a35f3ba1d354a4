package rsolvdeployment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// The values that must never show up anywhere.
const (
	password  = "tr0ub4dor-and-3"
	stripeKey = "sk_live_9fK2mQ"
	webhook   = "whsec_77aQzz"
	goodURL   = "postgres://rsolv:" + password + "@db.internal:5432/rsolv"
)

// notes is an event recorder that keeps what it is told.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) Eventf(_, _ runtime.Object, kind, reason, action, note string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, strings.Join([]string{kind, reason, action, fmt.Sprintf(note, args...)}, " "))
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.list...)
}

// fixture is one app in a namespace of its own, reconciled by hand: the test
// plays kubelet, Job controller and Deployment controller. The reconciler
// reads from the API server throughout, so that a step is a step.
type fixture struct {
	t      *testing.T
	client client.Client
	notes  *notes
	logs   *testenv.Logs
	now    time.Time
	key    client.ObjectKey
	r      *Reconciler
	// writes are the requests of all its reconcilers.
	writes *testenv.Writes
	// clients are the connections to Prometheus.
	clients promclient.Clients
	// log is where they log to, and each is called after every step.
	log  logr.Logger
	each func()
}

var (
	sharedOnce   sync.Once
	sharedClient client.WithWatch
	errShared    error
)

// shared is the uncached client of all tests: making one costs a discovery.
func shared(tb testing.TB) client.WithWatch {
	tb.Helper()
	sharedOnce.Do(func() {
		sharedClient, errShared = client.NewWithWatch(testenv.Config(), client.Options{Scheme: testenv.Scheme()})
	})
	if errShared != nil {
		tb.Fatal(errShared)
	}
	return sharedClient
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		t: t, client: shared(t), notes: &notes{}, logs: testenv.NewLogs(shared(t)), writes: &testenv.Writes{},
		now: time.Date(2025, 11, 3, 18, 43, 15, 0, time.UTC),
		key: client.ObjectKey{Namespace: testenv.Namespace(t), Name: "rsolv"},
		log: logr.Discard(), each: func() {},
	}
	f.restart(f.client)
	return f
}

// restart replaces the reconciler by one that remembers nothing.
func (f *fixture) restart(c client.Client) {
	c = f.writes.Count(c)
	f.r = &Reconciler{
		Client: c, Live: c, Applier: child.NewApplier(c, c), Recorder: f.notes, Random: counting,
		Logs: f.logs, Clock: func() time.Time { return f.now },
		Prometheus: func(baseline types.NamespacedName, config promclient.Config) (Querier, error) {
			return f.clients.For(baseline, config)
		},
	}
}

func (f *fixture) prometheus(baseline types.NamespacedName, config promclient.Config) (Querier, error) {
	return f.clients.For(baseline, config)
}

// counting makes keys that a test can compute too.
func counting(into []byte) error {
	for i := range into {
		into[i] = byte(i)
	}
	return nil
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// secrets makes the two Secrets of the sample with good values.
func (f *fixture) secrets() *fixture {
	f.t.Helper()
	f.secret("rsolv-db", map[string]string{"database-url": goodURL})
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": stripeKey, "STRIPE_WEBHOOK_SECRET": webhook})
	return f
}

// secret makes a Secret, or replaces the data of one.
func (f *fixture) secret(name string, values map[string]string) {
	f.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: name}}
	err := f.client.Get(f.t.Context(), client.ObjectKeyFromObject(secret), secret)
	secret.Data = map[string][]byte{}
	for key, value := range values {
		secret.Data[key] = []byte(value)
	}
	if err != nil {
		f.must(f.client.Create(f.t.Context(), secret))
		return
	}
	f.must(f.client.Update(f.t.Context(), secret))
}

// create makes the app, by default with two pods and an Ingress.
func (f *fixture) create(changes ...func(*v1alpha1.RsolvDeployment)) *fixture {
	f.t.Helper()
	two := int32(2)
	rd := &v1alpha1.RsolvDeployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: f.key.Name},
		Spec: v1alpha1.RsolvDeploymentSpec{
			Image:    "ghcr.io/rsolv-dev/rsolv:v1",
			Replicas: &two,
			Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "rsolv-db", Key: "database-url"}},
			Secrets:  []v1alpha1.SecretSource{{Name: "rsolv-stripe", RequiredKeys: []string{"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"}}},
			Ingress:  &v1alpha1.Ingress{Hosts: []string{"rsolv.dev"}},
		},
	}
	for _, change := range changes {
		change(rd)
	}
	f.must(f.client.Create(f.t.Context(), rd))
	return f
}

func autoscaled(rd *v1alpha1.RsolvDeployment) {
	rd.Spec.Replicas = nil
	rd.Spec.Autoscaling = &v1alpha1.Autoscaling{MinReplicas: 2, MaxReplicas: 10}
}

// platform declares all that a platform engineer may.
func platform(rd *v1alpha1.RsolvDeployment) {
	autoscaled(rd)
	rd.Spec.Gateway = &v1alpha1.Gateway{ParentRefs: []v1alpha1.ParentReference{{Name: "public", Namespace: "infra"}}, Hosts: []string{"rsolv.dev"}}
	rd.Spec.Metrics = &v1alpha1.Metrics{Labels: map[string]v1alpha1.KubernetesLabelValue{"release": "prometheus"}}
	rd.Spec.NetworkPolicy = &v1alpha1.NetworkPolicy{}
	rd.Spec.Env = []v1alpha1.EnvVar{{Name: "PUBLIC_FLAGS", Value: "blog"}}
	rd.Spec.NodeSelector = map[string]v1alpha1.KubernetesLabelValue{"pool": "web", "node-role.kubernetes.io/worker": ""}
	rd.Spec.Tolerations = []v1alpha1.Toleration{{Key: "dedicated", Value: "web"}, {Operator: "Exists"}}
	rd.Spec.TopologySpread = []v1alpha1.TopologySpread{{TopologyKey: "topology.kubernetes.io/zone"}}
	rd.Spec.ServiceAccount = &v1alpha1.ServiceAccount{Annotations: map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/rsolv"}}
}

func (f *fixture) edit(change func(*v1alpha1.RsolvDeployment)) {
	f.t.Helper()
	rd := f.rd()
	change(rd)
	f.must(f.client.Update(f.t.Context(), rd))
}

func (f *fixture) image(image string) {
	f.t.Helper()
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Image = image })
}

// try reconciles once.
func (f *fixture) try(ctx context.Context) (ctrl.Result, error) {
	return f.r.Reconcile(ctx, ctrl.Request{NamespacedName: f.key})
}

// reconcile reconciles once and wants no error.
func (f *fixture) reconcile() {
	f.t.Helper()
	if _, err := f.try(log.IntoContext(f.t.Context(), f.log)); err != nil {
		f.t.Fatal(err)
	}
	f.each()
}

// ready brings a new app, or a new image, all the way.
func (f *fixture) ready() *fixture {
	f.t.Helper()
	for range 6 {
		f.reconcile()
		rd := f.rd()
		if apimeta.IsStatusConditionTrue(rd.Status.Conditions, v1alpha1.ConditionReady) && rd.Status.ObservedGeneration == rd.Generation {
			break
		}
		f.play()
	}
	f.wantReady(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	return f
}

// play is a moment in the life of a kubelet: Jobs pass, pods roll out. It
// leaves alone what is not the app's.
func (f *fixture) play() {
	f.t.Helper()
	rd := f.rd()
	for _, job := range f.jobs() {
		if len(job.Status.Conditions) == 0 && metav1.IsControlledBy(&job, rd) {
			f.must(testenv.PassJob(f.t.Context(), f.client, &job))
		}
	}
	deployment, err := ownDeployment(f.t.Context(), f.client, rd)
	f.must(err)
	if deployment != nil {
		f.must(testenv.RollOut(f.t.Context(), f.client, deployment))
	}
}

// testing brings a new app, or a new image, up to its smoke test.
func (f *fixture) testing() {
	f.t.Helper()
	f.migrating()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.rollOut()
	f.reconcile()
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonSmokeTestRunning)
}

// rolling brings a new app, or a new image, to where its pods roll out.
func (f *fixture) rolling() {
	f.t.Helper()
	f.migrating()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseRolling)
}

// migrating lets the preflight pass, so that migrations are next.
func (f *fixture) migrating() {
	f.t.Helper()
	f.reconcile()
	f.passPreflight()
	f.reconcile()
}

// passPreflight ends the preflight Jobs alone.
func (f *fixture) passPreflight() {
	f.t.Helper()
	for _, job := range f.jobsOf(contract.ComponentPreflight) {
		if len(job.Status.Conditions) == 0 {
			f.must(testenv.PassJob(f.t.Context(), f.client, &job))
		}
	}
}

func (f *fixture) rd() *v1alpha1.RsolvDeployment {
	f.t.Helper()
	rd := &v1alpha1.RsolvDeployment{}
	f.must(f.client.Get(f.t.Context(), f.key, rd))
	return rd
}

func (f *fixture) deployment() *appsv1.Deployment {
	f.t.Helper()
	deployment := &appsv1.Deployment{}
	f.must(f.client.Get(f.t.Context(), f.key, deployment))
	return deployment
}

func (f *fixture) rollOut() {
	f.t.Helper()
	f.must(testenv.RollOut(f.t.Context(), f.client, f.deployment()))
}

func (f *fixture) jobs() []batchv1.Job {
	f.t.Helper()
	var jobs batchv1.JobList
	f.must(f.client.List(f.t.Context(), &jobs, client.InNamespace(f.key.Namespace)))
	return jobs.Items
}

// jobsOf lists the Jobs of one component.
func (f *fixture) jobsOf(component string) []batchv1.Job {
	f.t.Helper()
	return slices.DeleteFunc(f.jobs(), func(job batchv1.Job) bool { return job.Labels[contract.LabelComponent] != component })
}

// finishJobs ends all Jobs that have not ended. Those that succeed leave a
// report.
func (f *fixture) finishJobs(as batchv1.JobConditionType, message string) {
	f.t.Helper()
	for _, job := range f.jobs() {
		if len(job.Status.Conditions) > 0 {
			continue
		}
		if as == batchv1.JobComplete {
			f.must(testenv.PassJob(f.t.Context(), f.client, &job))
			continue
		}
		f.must(testenv.FinishJob(f.t.Context(), f.client, &job, as, message))
	}
}

func (f *fixture) deleteJobs() {
	f.t.Helper()
	f.must(f.client.DeleteAllOf(f.t.Context(), &batchv1.Job{},
		client.InNamespace(f.key.Namespace), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	if jobs := f.jobs(); len(jobs) != 0 {
		f.t.Fatalf("%d Jobs are left", len(jobs))
	}
}
