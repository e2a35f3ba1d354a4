package workload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// HashKey is the key in the Secret called HashKeyName, and HashKeySize the
// number of random bytes that it holds.
const (
	HashKey     = "key"
	HashKeySize = 32
)

// Environment names the two immutable objects that a pod's variables come
// from. Both names change with their content, so that a pod template that
// names them says exactly what its pods are given.
type Environment struct {
	ConfigMap string
	Secret    string
}

// settings are the variables that are no secret.
func settings(rd *v1alpha1.RsolvDeployment) map[string]string {
	values := make(map[string]string, len(rd.Spec.Env)+4)
	for _, variable := range rd.Spec.Env {
		values[variable.Name] = variable.Value
	}
	// What the operator sets wins; the schema refuses such names.
	values[contract.EnvPoolSize] = strconv.Itoa(int(rd.Spec.Database.PoolSize))
	values[contract.EnvFlagsDir] = contract.FlagsDir
	if host := publicHost(&rd.Spec); host != "" {
		values[contract.EnvPublicHost] = host
	}
	if rd.Spec.Placeholders != nil {
		values[contract.EnvPlaceholders] = placeholders(rd).String()
	}
	if proxies := trustedProxies(&rd.Spec); len(proxies) > 0 {
		values[contract.EnvTrustedProxies] = strings.Join(proxies, ",")
	}
	return values
}

// ConfigMapName is the name of ConfigMap.
func ConfigMapName(rd *v1alpha1.RsolvDeployment) string {
	return rd.Name + "-config-" + shortHash(settings(rd))
}

// ConfigMap holds the variables that are no secret. It is immutable: another
// content is another name.
func ConfigMap(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	object := corev1ac.ConfigMap(ConfigMapName(rd), rd.Namespace).
		WithImmutable(true).
		WithData(settings(rd))
	object.ObjectMetaApplyConfiguration = meta(rd, ConfigMapName(rd), contract.ComponentConfig)
	return render.Object(object)
}

// EnvSecretName is the name of EnvSecret. The hash in it is keyed with the
// app's random key: an unkeyed hash would let anybody who may list Secrets try
// out guesses at their values.
func EnvSecretName(app string, key []byte, env map[string][]byte) string {
	raw, err := json.Marshal(env)
	if err != nil {
		panic(fmt.Sprintf("workload: hashing the environment: %v", err)) // a fault in the program
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(raw)
	return app + "-env-" + hex.EncodeToString(mac.Sum(nil))[:hashDigits]
}

// EnvSecret holds the variables that are secret, checked by CheckSecrets. It
// is an immutable copy so that whatever becomes of the Secrets they came from,
// a pod of this revision finds the values that the revision was checked with.
func EnvSecret(rd *v1alpha1.RsolvDeployment, name string, env map[string][]byte) *unstructured.Unstructured {
	object := corev1ac.Secret(name, rd.Namespace).WithImmutable(true).WithData(env)
	object.ObjectMetaApplyConfiguration = meta(rd, name, contract.ComponentConfig)
	return render.Object(object)
}

// HashKeySecret holds the app's random key for EnvSecretName. Losing it costs
// one rollout under new names, nothing else.
func HashKeySecret(rd *v1alpha1.RsolvDeployment, key []byte) *unstructured.Unstructured {
	object := corev1ac.Secret(HashKeyName(rd.Name), rd.Namespace).
		WithImmutable(true).
		WithData(map[string][]byte{HashKey: key})
	object.ObjectMetaApplyConfiguration = meta(rd, HashKeyName(rd.Name), contract.ComponentConfig)
	return render.Object(object)
}
