package alerts

import "strings"

// breaches are situations in which alerts must fire after their `for`, which
// begins with the second sample, and be silent an evaluation before.
func breaches() []unit {
	unitOf := func(name string, input []inputLine, tests ...exprTest) unit {
		return unit{Name: name, Interval: "30s", InputSeries: input, Exprs: tests}
	}
	return []unit{
		unitOf("3% answered 5xx", lines(0.97, one(requests("503", 0.03))),
			firing("5m"), firing("5m30s", "APIErrorRateHigh"), firing("30m", "APIErrorRateHigh")),
		unitOf("6% answered 5xx, over two pods and two codes", lines(0.94, one(requests("500", 0.02)), one(inPodB(requests("503", 0.04)))),
			firing("2m"), firing("2m30s", "APIErrorRateCritical"), firing("5m30s", "APIErrorRateCritical", "APIErrorRateHigh")),
		unitOf("p95 between 1000 and 1500 ms", lines(1, durations(httpMetric, "", 1, 1000)),
			firing("10m"), firing("10m30s", "APIP95LatencyHigh"), firing("30m", "APIP95LatencyHigh")),
		unitOf("p95 between 3000 and 5000 ms", lines(1, durations(httpMetric, "", 1, 3000)),
			firing("5m"), firing("5m30s", "APIP95LatencyCritical"), firing("10m30s", "APIP95LatencyCritical", "APIP95LatencyHigh")),
		unitOf("slow exchange among fast requests", lines(0, durations(httpMetric, route+`"/"`, 20, 10), durations(httpMetric, exchange, 0.5, 500)),
			firing("10m"), firing("10m30s", "CredentialExchangeLatencyHigh")),
		unitOf("slow validation among fast requests",
			lines(0, durations(httpMetric, route+`"/"`, 20, 10), durations(httpMetric, validate, 0.5, 2000)),
			firing("10m"), firing("10m30s", "VulnerabilityValidationLatencyHigh")),
		unitOf("slow queries", lines(1, durations(dbMetric, "", 5, 100)),
			firing("10m"), firing("10m30s", "DatabaseQueryLatencyHigh")),
		unitOf("very slow queries", lines(1, durations(dbMetric, "", 5, 500)),
			firing("5m"), firing("5m30s", "DatabaseQueryLatencyCritical"),
			firing("10m30s", "DatabaseQueryLatencyCritical", "DatabaseQueryLatencyHigh")),
		unitOf("pool nearly used up", lines(1, one(constant(poolUsed, 19)), one(constant(poolSize, 20))),
			firing("4m30s"), firing("5m", "DatabaseConnectionPoolExhausted")),
		// 209 of 220, though the mean of 50% and 99.5% is below the bound.
		unitOf("pools of unlike size, together nearly used up", lines(1, one(constant(poolUsed, 10)), one(constant(poolSize, 20)),
			one(inPodB(constant(poolUsed, 199))), one(inPodB(constant(poolSize, 200)))),
			firing("4m30s"), firing("5m", "DatabaseConnectionPoolExhausted")),
		unitOf("slow webhooks", lines(1, durations(webhookMetric, `,event_type="x",status="success"`, 0.5, 1000)),
			firing("10m"), firing("10m30s", "WebhookProcessingLatencyHigh")),
		unitOf("failing webhooks", lines(1, one(steady(webhookCount+`"success"}`, 0.45)), one(steady(webhookCount+`"failed"}`, 0.05))),
			firing("5m"), firing("5m30s", "WebhookProcessingFailures")),
		unitOf("requests stopped", one(constant(httpMetric+"_count{"+target+`,status="200"}`, 500)),
			firing("10m"), firing("10m30s", "APIRequestsStopped"), firing("30m", "APIRequestsStopped")),
		unitOf("metrics never came", []inputLine{constant("up{"+target+"}", 0)},
			firing("9m30s"), firing("10m", "APIMetricsAbsent"), firing("60m", "APIMetricsAbsent")),
		unitOf("metrics vanish after 20 minutes", one(inputLine{httpMetric + "_count{" + target + `,status="200"}`, "0+30x40 stale"}),
			firing("20m"), firing("30m"), firing("30m30s", "APIMetricsAbsent"), firing("60m", "APIMetricsAbsent")),
		unitOf("slow exchange three times in five minutes",
			lines(0, durations(httpMetric, route+`"/"`, 1, 10), durations(httpMetric, exchange, 0.011, 500)),
			firing("10m"), firing("20m", "CredentialExchangeLatencyHigh")),
		// Time begins on a Thursday, 00:00 UTC.
		unitOf("few requests, before, in and after business hours", one(allDay(requests("200", 0.005))),
			firing("8h59m30s"), firing("9h29m30s"), firing("9h30m", "APIRequestRateAnomalyLow"),
			firing("17h59m30s", "APIRequestRateAnomalyLow"), firing("18h"), firing("19h")),
	}
}

// inPodB is a series of another pod.
func inPodB(line inputLine) inputLine {
	line.Series = strings.Replace(line.Series, `pod="a"`, `pod="b"`, 1)
	return line
}

// silences are situations in which nothing may fire.
func silences() []unit {
	unitOf := func(name string, input []inputLine, at ...string) unit {
		u := unit{Name: name, Interval: "30s", InputSeries: input}
		for _, a := range at {
			u.Exprs = append(u.Exprs, firing(a))
		}
		return u
	}
	healthy := lines(0.995,
		one(requests("500", 0.005)),
		durations(httpMetric, exchange, 0.5, 200), durations(httpMetric, validate, 0.5, 750),
		durations(dbMetric, "", 5, 50),
		one(constant(poolUsed, 18)), one(constant(poolSize, 20)),
		durations(webhookMetric, `,event_type="x",status="success"`, 0.05, 250),
		one(steady(webhookCount+`"success"}`, 0.097)), one(steady(webhookCount+`"failed"}`, 0.003)))
	return []unit{
		unitOf("all is well", healthy, "1m", "10m", "30m", "2h"),
		unitOf("no failing series at all", lines(1), "30m"),
		unitOf("every request fails, at low volume", one(requests("500", 0.05)), "2m30s", "5m30s", "60m"),
		unitOf("every request is slow, at low volume", lines(0, durations(httpMetric, "", 0.05, 5000)), "60m"),
		unitOf("exchange is slow, at low volume", lines(0, durations(httpMetric, route+`"/"`, 1, 10), durations(httpMetric, exchange, 0.005, 5000)), "60m"),
		unitOf("queries are slow, at low volume", lines(1, durations(dbMetric, "", 0.05, 5000)), "60m"),
		unitOf("webhooks are slow, at low volume", lines(1, durations(webhookMetric, "", 0.005, 5000)), "60m"),
		unitOf("every webhook fails, at low volume", lines(1, one(steady(webhookCount+`"failed"}`, 0.005))), "60m"),
		unitOf("metrics of all but the requests are absent", lines(1), "60m"),
		unitOf("test integration is slow, which has a target alone", lines(0, durations(httpMetric, route+`"/"`, 1, 10), durations(httpMetric, generate, 0.04, 10000)), "60m"),
		unitOf("requests in another namespace fail", lines(1, one(steady(
			httpMetric+`_count{job="rsolv",namespace="rsolv-staging",status="500"}`, 5))), "60m"),
	}
}

// units print the values of one alert of each unit.
func units() []unit {
	alert := func(at, name, severity, component, threshold, value, description string, input ...inputLine) unit {
		value = strings.Replace(description, "VALUE", value, 1)
		return unit{
			Name: "text of " + name, Interval: "30s", InputSeries: input,
			Alerts: []alertTest{{EvalTime: at, Name: name, Alerts: []expAlert{{
				Labels: map[string]string{
					"severity": severity, "component": component, "service": "rsolv", "namespace": "rsolv-production",
					"threshold": threshold, "baseline": "api-performance",
				},
				Annotations: map[string]string{
					"summary":       strings.SplitN(value, "|", 2)[0],
					"description":   strings.SplitN(value, "|", 2)[1],
					"runbook_url":   "https://github.com/rsolv-dev/rsolv-operator/blob/main/docs/runbooks/" + name + ".md",
					"dashboard_url": "https://grafana.rsolv.dev/d/api-performance-baseline",
				},
			}}}},
		}
	}
	return []unit{
		alert("6m", "APIErrorRateHigh", "warning", "api", "api-error-rate", "3%",
			"rsolv: share of HTTP requests answered 5xx above 1% for 5m|The share of HTTP requests answered 5xx of rsolv in namespace rsolv-production is VALUE over the last 5m, which has been above 1% for 5m. It is judged only while there is at least 0.1/s of traffic.",
			requests("200", 0.97), requests("500", 0.03)),
		alert("15m", "APIP95LatencyHigh", "warning", "api", "api-p95-latency", "1.475s",
			"rsolv: p95 of HTTP requests above 1000ms for 10m|The p95 of HTTP requests of rsolv in namespace rsolv-production is VALUE over the last 5m, which has been above 1000ms for 10m. It is judged only while there is at least 0.1/s of traffic.",
			durations(httpMetric, "", 1, 1000)...),
		alert("15m", "DatabaseQueryLatencyHigh", "warning", "database", "database-query-latency", "147.5ms",
			"rsolv: p95 of database queries above 100ms for 10m|The p95 of database queries of rsolv in namespace rsolv-production is VALUE over the last 5m, which has been above 100ms for 10m. It is judged only while there is at least 0.1/s of traffic.",
			durations(dbMetric, "", 5, 100)...),
		alert("10h", "APIRequestRateAnomalyLow", "info", "api", "api-request-rate", "5m/s",
			"rsolv: rate of HTTP requests below 0.01/s for 30m|The rate of HTTP requests of rsolv in namespace rsolv-production is VALUE over the last 5m, which has been below 0.01/s for 30m. It is judged only during business hours.",
			allDay(requests("200", 0.005))),
		alert("10m", "DatabaseConnectionPoolExhausted", "warning", "database", "database-pool-use", "95%",
			"rsolv: use of the database connection pool above 90% for 5m|The use of the database connection pool of rsolv in namespace rsolv-production is VALUE, which has been above 90% for 5m. The target is 80%.",
			constant(poolUsed, 19), constant(poolSize, 20)),
	}
}
