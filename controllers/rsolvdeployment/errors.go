package rsolvdeployment

import (
	"errors"
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
	return conflict || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) ||
		apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err) || apierrors.IsInternalError(err)
}

// refusal is the verdict on a number of refused children.
func refusal(errs []error) status.Verdict {
	reason := v1alpha1.ReasonApplyRejected
	messages := make([]string, len(errs))
	for i, err := range errs {
		if _, ok := errors.AsType[*child.OwnershipConflict](err); ok {
			reason = v1alpha1.ReasonOwnershipConflict
		}
		messages[i] = err.Error()
	}
	return status.False(reason, strings.Join(messages, "; "))
}

// asHeld turns refusals into a hold and leaves other errors, which are tried
// again soon, as they are.
func asHeld(err error, s *scope) error {
	all := flatten(err)
	if len(all) == 0 {
		return nil
	}
	progress := status.Stuck
	for _, each := range all {
		if !refused(each) {
			return err
		}
		if apierrors.IsInternalError(each) {
			progress = status.Working // a webhook that is down, as a rule
		}
	}
	verdict := refusal(all)
	verdict.Message = mask(verdict.Message, s.env)
	return &held{phase: v1alpha1.PhaseHeld, verdict: verdict, progress: progress, after: retryRefused}
}
