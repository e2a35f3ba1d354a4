package rsolvdeployment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// checkSecrets holds the rollout until every declared secret is usable, then
// makes the immutable copies that the pods of this revision are given.
func (r *Reconciler) checkSecrets(ctx context.Context, s *scope) error {
	data := map[string]map[string][]byte{}
	for _, name := range workload.SecretNames(s.rd) {
		secret, err := r.secret(ctx, s.rd.Namespace, name)
		if err != nil {
			return err
		}
		if secret == nil {
			continue
		}
		data[name] = secret.Data
		if data[name] == nil {
			data[name] = map[string][]byte{}
		}
	}
	env, problems := workload.CheckSecrets(s.rd, data)
	s.env = env
	if len(problems) > 0 {
		verdict := problemsVerdict(problems)
		s.verdicts[v1alpha1.ConditionSecretsReady] = verdict
		if s.deployment != nil {
			verdict.Message += "; the pods that run keep the values they have"
		}
		return &held{phase: v1alpha1.PhaseHeld, verdict: verdict, progress: secretsProgress(problems)}
	}
	key, err := r.hashKey(ctx, s.rd)
	if err != nil {
		return err
	}
	s.environment = workload.Environment{
		ConfigMap: workload.ConfigMapName(s.rd),
		Secret:    workload.EnvSecretName(s.rd.Name, key, env),
	}
	if err := r.Applier.Apply(ctx, s.rd, workload.ConfigMap(s.rd)); err != nil {
		return err
	}
	if err := r.Applier.Create(unlogged(ctx), s.rd, workload.EnvSecret(s.rd, s.environment.Secret, env)); err != nil {
		return err
	}
	s.verdicts[v1alpha1.ConditionSecretsReady] = status.True(v1alpha1.ReasonSucceeded,
		fmt.Sprintf("all %d variables are present; the pods are given the copy %s", len(env), s.environment.Secret))
	return nil
}

// problemsVerdict names every problem; the reason is the first one's.
func problemsVerdict(problems []workload.Problem) status.Verdict {
	messages := make([]string, len(problems))
	for i, problem := range problems {
		messages[i] = problem.Message
	}
	return status.False(problems[0].Reason, strings.Join(messages, "; "))
}

// secretsProgress: a Secret that does not exist yet may be on its way, made by
// the same pipeline or by another operator, and its coming is watched. A value
// that is wrong waits for somebody.
func secretsProgress(problems []workload.Problem) status.Progress {
	if slices.ContainsFunc(problems, func(p workload.Problem) bool { return p.Reason != v1alpha1.ReasonSecretNotFound }) {
		return status.Stuck
	}
	return status.Working
}

// hashKey returns the app's random key, made the first time.
func (r *Reconciler) hashKey(ctx context.Context, rd *v1alpha1.RsolvDeployment) ([]byte, error) {
	name := workload.HashKeyName(rd.Name)
	secret, err := r.secret(ctx, rd.Namespace, name)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		key := make([]byte, workload.HashKeySize)
		if err := r.Random(key); err != nil {
			return nil, fmt.Errorf("making the key of secret %s: %w", name, err)
		}
		return key, r.Applier.Create(unlogged(ctx), rd, workload.HashKeySecret(rd, key))
	}
	if !metav1.IsControlledBy(secret, rd) || len(secret.Data[workload.HashKey]) != workload.HashKeySize {
		return nil, child.Conflict(workload.SecretKind.Kind, v1alpha1.KindRsolvDeployment, rd, secret)
	}
	return secret.Data[workload.HashKey], nil
}

// secret reads one Secret from the API server; nil when there is none.
func (r *Reconciler) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Live.Get(unlogged(ctx), client.ObjectKey{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", name, err)
	}
	return secret, nil
}

// unlogged keeps a request's and its answer's body out of the log: from
// verbosity 8 on, the client would write them there.
func unlogged(ctx context.Context) context.Context { return logr.NewContext(ctx, logr.Discard()) }
