package rsolvdeployment

import (
	"errors"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
)

// retryRefused is when to try again what the API server refused. Why it did
// may lie where we cannot look: a quota, a policy, another webhook.
const retryRefused = time.Minute

// lookAgain is when to try again what was refused; zero where its coming is
// watched.
func lookAgain(err error) time.Duration {
	unknown, ok := errors.AsType[*unknownKind](err)
	switch {
	case !ok:
		return retryRefused
	case unknown.unserved:
		return servedRetry
	default:
		return 0
	}
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, each := range joined.Unwrap() {
		all = append(all, flatten(each)...)
	}
	return all
}

// refused tells whether trying again at once is of no use: the object belongs
// to somebody else, the API server does not take it, or does not know its kind.
func refused(err error) bool {
	_, conflict := errors.AsType[*child.OwnershipConflict](err)
	_, unknown := errors.AsType[*unknownKind](err)
	return conflict || unknown || child.Refused(err) || apierrors.IsInternalError(err)
}

// reasonsOfRefusal from the one that matters least to the one that matters
// most.
var reasonsOfRefusal = []string{
	v1alpha1.ReasonAwaitingDeletion, v1alpha1.ReasonCRDsMissing, v1alpha1.ReasonApplyRejected, v1alpha1.ReasonOwnershipConflict,
}

func reasonOfRefusal(err error) string {
	if conflict, ok := errors.AsType[*child.OwnershipConflict](err); ok {
		if conflict.Leaving {
			return v1alpha1.ReasonAwaitingDeletion
		}
		return v1alpha1.ReasonOwnershipConflict
	}
	if _, ok := errors.AsType[*unknownKind](err); ok {
		return v1alpha1.ReasonCRDsMissing
	}
	return v1alpha1.ReasonApplyRejected
}

// refusal is the verdict on a number of refused children.
func refusal(errs []error) status.Verdict {
	worst := 0
	messages := make([]string, len(errs))
	for i, err := range errs {
		worst = max(worst, slices.Index(reasonsOfRefusal, reasonOfRefusal(err)))
		messages[i] = err.Error()
	}
	return status.False(reasonsOfRefusal[worst], strings.Join(messages, "; "))
}

// outlook tells whether all that was refused passes by itself.
func outlook(errs []error) status.Progress {
	if slices.ContainsFunc(errs, func(err error) bool { return !passes(err) }) {
		return status.Stuck
	}
	return status.Working
}

// passes tells whether what was refused may come by itself, so that nobody has
// to change the declaration.
func passes(err error) bool {
	_, unknown := errors.AsType[*unknownKind](err)
	return unknown || child.Passing(err)
}

// asHeld turns refusals into a hold and leaves other errors, which are tried
// again soon, as they are.
func asHeld(err error, s *scope) error {
	all := flatten(err)
	if len(all) == 0 {
		return nil
	}
	if slices.ContainsFunc(all, func(each error) bool { return !refused(each) }) {
		return err
	}
	verdict := refusal(all)
	verdict.Message = mask(verdict.Message, s.env)
	return &held{phase: v1alpha1.PhaseHeld, verdict: verdict, progress: outlook(all), after: retryRefused}
}
