package alertbaseline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// TestCalibrationIsInTheStatus gives a real Prometheus a past in which a queue
// was long twice.
func TestCalibrationIsInTheStatus(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.pace = quickPace
	values := make([]float64, 240)
	for i := range values {
		values[i] = 20 + float64(i%5)
		if i >= 150 && i < 170 || i >= 200 && i < 215 {
			values[i] = 150
		}
	}
	from := time.Now().Add(-4 * time.Hour).Truncate(time.Minute)
	server := promtest.Start(t, promtest.Options{History: []promtest.Series{{
		Name: fmt.Sprintf(`queue_length{job="rsolv",namespace=%q}`, c.namespace), From: from, Step: time.Minute, Values: values,
	}}})
	baseline := small()
	baseline.Spec.Thresholds[1].Signal.Expr = "queue_length{$selector}"
	baseline.Spec.Thresholds[1].Critical = &v1alpha1.Level{Above: "100", For: "10m", Alert: "QueueLong"}
	baseline.Spec.Prometheus = &v1alpha1.MonitoringEndpoint{URL: "http://127.0.0.1:1"}
	baseline.Spec.Calibrate = &v1alpha1.Calibrate{Window: "3h"}
	c.create(app(), baseline)
	c.start()
	c.waitReady("small")

	calibrated := func(good func(*v1alpha1.CalibrationStatus) bool) *v1alpha1.CalibrationStatus {
		t.Helper()
		var found *v1alpha1.CalibrationStatus
		testenv.Eventually(t, func() error {
			if found = c.baseline("small").Status.Calibration; found == nil || !good(found) {
				return fmt.Errorf("calibration: %+v", found)
			}
			return nil
		})
		return found
	}
	away := calibrated(func(s *v1alpha1.CalibrationStatus) bool { return len(s.Problems) == 1 })
	if !strings.Contains(away.Problems[0], "connection refused") || away.Until != nil {
		t.Errorf("calibration: %+v", away)
	}

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Prometheus.URL = server.URL })
	found := calibrated(func(s *v1alpha1.CalibrationStatus) bool { return s.Until != nil })
	if len(found.Alerts) != 2 || found.Alerts[1].Alert != "QueueLong" || found.Alerts[1].WouldHaveFired != 1 && found.Alerts[1].WouldHaveFired != 2 {
		t.Errorf("calibration: %+v", found)
	}
	if found.Alerts[1].Suggested != "150" || found.Window != "3h" {
		t.Errorf("calibration: %+v", found)
	}
	if len(found.Problems) != 1 || !strings.Contains(found.Problems[0], `"errors": there is no value to judge`) {
		t.Errorf("problems: %v", found.Problems)
	}
	// Nothing is applied by itself, and nothing is asked again.
	if got := c.baseline("small").Spec.Thresholds[1].Critical.Above; got != "100" {
		t.Errorf("the bound is %s", got)
	}
	time.Sleep(10 * quickPace.steady)
	if again := c.baseline("small").Status.Calibration; !again.Until.Equal(found.Until) {
		t.Errorf("it was asked again, at %s and at %s", found.Until, again.Until)
	}

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Calibrate = nil })
	testenv.Eventually(t, func() error {
		if c.baseline("small").Status.Calibration != nil {
			return errors.New("what nobody asks for any more is still there")
		}
		return nil
	})
}
