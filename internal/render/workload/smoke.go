package workload

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// SmokeTestContainer is the container that tests.
const SmokeTestContainer = "smoke-test"

const (
	smokeTestTimeout = time.Minute
	// smokeTestRetries bounds how often a failed pod is repeated in the time
	// that there is: one lost packet is no reason to roll a version back.
	smokeTestRetries = 2
)

// SmokeTestJobName is the Job of one attempt.
func SmokeTestJobName(app, attemptHash string) string { return app + "-smoke-" + attemptHash }

// SmokeTestJob walks a customer through the app at url.
func SmokeTestJob(rd *v1alpha1.RsolvDeployment, env Environment, attemptHash, url string) *unstructured.Unstructured {
	var declared time.Duration
	if rd.Spec.Rollout != nil && rd.Spec.Rollout.SmokeTest != nil {
		declared = rd.Spec.Rollout.SmokeTest.Timeout.Duration
	}
	timeout := orDefault(declared, smokeTestTimeout)
	c := container(rd, SmokeTestContainer, contract.CommandSmokeTest, env).
		// Less than the Job has: time to start, to clean up and to say what
		// was wrong.
		WithArgs("--timeout=" + (timeout * 3 / 4).String()).
		WithEnv(corev1ac.EnvVar().WithName(contract.EnvSmokeTestURL).WithValue(url))
	return job(rd, oneShot{
		name: SmokeTestJobName(rd.Name, attemptHash), component: contract.ComponentSmokeTest,
		timeout: timeout, retries: smokeTestRetries,
	}, podSpec(rd, c))
}
