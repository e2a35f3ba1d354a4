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
// to somebody else, or the API server does not take it.
func refused(err error) bool {
	_, conflict := errors.AsType[*child.OwnershipConflict](err)
	return conflict || child.Refused(err) || apierrors.IsInternalError(err)
}

// refusal is the verdict on a number of refused children.
func refusal(errs []error) status.Verdict {
	reason := v1alpha1.ReasonAwaitingDeletion
	messages := make([]string, len(errs))
	for i, err := range errs {
		conflict, ok := errors.AsType[*child.OwnershipConflict](err)
		switch {
		case ok && !conflict.Leaving:
			reason = v1alpha1.ReasonOwnershipConflict
		case !ok && reason != v1alpha1.ReasonOwnershipConflict:
			reason = v1alpha1.ReasonApplyRejected
		}
		messages[i] = err.Error()
	}
	return status.False(reason, strings.Join(messages, "; "))
}

// outlook tells whether all that was refused passes by itself.
func outlook(errs []error) status.Progress {
	if slices.ContainsFunc(errs, func(err error) bool { return !child.Passing(err) }) {
		return status.Stuck
	}
	return status.Working
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
