package workload

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// nonRoot is the user and group of distroless images, which the app's image
// uses as well.
const nonRoot int64 = 65532

// Names of the volumes.
const (
	tmpVolume   = "tmp"
	flagsVolume = "flags"
	spoolVolume = "spool"
)

// podSpec is what the pods of the app and of its migrations have in common:
// who they are, what they may do, and a place for temporary files.
func podSpec(rd *v1alpha1.RsolvDeployment, container *corev1ac.ContainerApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	container.WithVolumeMounts(corev1ac.VolumeMount().WithName(tmpVolume).WithMountPath("/tmp"))
	spec := corev1ac.PodSpec().
		WithServiceAccountName(rd.Name).
		WithAutomountServiceAccountToken(false).
		// A Service called rsolv would otherwise put RSOLV_PORT and its like
		// among the app's variables.
		WithEnableServiceLinks(false).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).
			WithRunAsUser(nonRoot).
			WithRunAsGroup(nonRoot).
			WithFSGroup(nonRoot).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithVolumes(corev1ac.Volume().WithName(tmpVolume).
			WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(resource.MustParse("64Mi")))).
		WithContainers(container)
	for _, secret := range rd.Spec.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	return scheduled(rd, spec)
}

// container runs one subcommand of the app's image with its environment.
func container(rd *v1alpha1.RsolvDeployment, name, command string, env Environment) *corev1ac.ContainerApplyConfiguration {
	return corev1ac.Container().
		WithName(name).
		WithImage(rd.Spec.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithArgs(command).
		WithEnvFrom(
			corev1ac.EnvFromSource().WithConfigMapRef(corev1ac.ConfigMapEnvSource().WithName(env.ConfigMap)),
			corev1ac.EnvFromSource().WithSecretRef(corev1ac.SecretEnvSource().WithName(env.Secret))).
		WithEnv(
			fieldVariable(contract.EnvPodName, "metadata.name"),
			fieldVariable(contract.EnvPodNamespace, "metadata.namespace")).
		WithResources(resources(rd.Spec.Resources)).
		WithTerminationMessagePath(contract.TerminationLogPath).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
}

// withFlags mounts the flags. They are not optional: a pod without them would
// answer with every flag off. And they are mounted as a directory: a change of
// the flags reaches the pods without touching their template.
func withFlags(rd *v1alpha1.RsolvDeployment, spec *corev1ac.PodSpecApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	spec.WithVolumes(corev1ac.Volume().WithName(flagsVolume).
		WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(render.FlagsName(rd.Name)).WithOptional(false)))
	mount := corev1ac.VolumeMount().WithName(flagsVolume).WithMountPath(contract.FlagsDir).WithReadOnly(true)
	for i := range spec.Containers {
		spec.Containers[i].WithVolumeMounts(mount)
	}
	return spec
}

// withSpool gives the pod a volume of its own for events that wait for the
// database. It outlives the container and not the pod, and is never shared.
func withSpool(spec *corev1ac.PodSpecApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	spec.WithVolumes(corev1ac.Volume().WithName(spoolVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource().
		WithSizeLimit(*resource.NewQuantity(contract.SpoolVolumeBytes, resource.BinarySI))))
	mount := corev1ac.VolumeMount().WithName(spoolVolume).WithMountPath(contract.SpoolDir)
	for i := range spec.Containers {
		spec.Containers[i].WithVolumeMounts(mount)
	}
	return spec
}

func fieldVariable(name, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValueFrom(corev1ac.EnvVarSource().
		WithFieldRef(corev1ac.ObjectFieldSelector().WithFieldPath(path)))
}

// resources are the declared ones or the defaults, never a mixture: who
// declares any decides all.
func resources(declared *corev1.ResourceRequirements) *corev1ac.ResourceRequirementsApplyConfiguration {
	if declared == nil {
		return corev1ac.ResourceRequirements().
			WithRequests(corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("100m"),
				corev1.ResourceMemory: resource.MustParse("256Mi"),
			}).
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")})
	}
	r := corev1ac.ResourceRequirements()
	if len(declared.Requests) > 0 {
		r.WithRequests(declared.Requests)
	}
	if len(declared.Limits) > 0 {
		r.WithLimits(declared.Limits)
	}
	for _, claim := range declared.Claims {
		c := corev1ac.ResourceClaim().WithName(claim.Name)
		if claim.Request != "" {
			c.WithRequest(claim.Request)
		}
		r.WithClaims(c)
	}
	return r
}

// probe asks a path of the admin listener.
func probe(path string, period, timeout, failures int32) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(contract.AdminPortName))).
		WithPeriodSeconds(period).
		WithTimeoutSeconds(timeout).
		WithFailureThreshold(failures)
}

// EnvironmentOf reads off pods that serve which environment they are given.
func EnvironmentOf(spec *corev1.PodSpec) Environment {
	var env Environment
	for i := range spec.Containers {
		if spec.Containers[i].Name != AppContainer {
			continue
		}
		for _, source := range spec.Containers[i].EnvFrom {
			if source.ConfigMapRef != nil {
				env.ConfigMap = source.ConfigMapRef.Name
			}
			if source.SecretRef != nil {
				env.Secret = source.SecretRef.Name
			}
		}
	}
	return env
}

// References lists the environments that a pod is given, in order of name.
func References(spec *corev1.PodSpec) []string {
	names := map[string]bool{}
	for i := range spec.Containers {
		for _, source := range spec.Containers[i].EnvFrom {
			if source.ConfigMapRef != nil {
				names[source.ConfigMapRef.Name] = true
			}
			if source.SecretRef != nil {
				names[source.SecretRef.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
