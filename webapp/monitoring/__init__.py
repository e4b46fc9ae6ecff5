"""Prometheus metrics: GET /metrics of the API, and of scheduler and worker where METRICS_PORT is set.

Of this API server, summed over its worker processes:

    llm_benchmark_http_requests_total{method,route,status}             counter
    llm_benchmark_http_request_duration_seconds{method,route}          histogram
    llm_benchmark_cache_hits_total                                     counter
    llm_benchmark_cache_misses_total                                   counter

Of the whole system, the same from every API server, so aggregate with max() over instances:

    llm_benchmark_dependency_up{dependency}                            gauge; "postgresql", "redis"
    llm_benchmark_generation                                           gauge
    llm_benchmark_oldest_unshown_run_timestamp_seconds                 gauge, Unix time; absent while all runs
                                                                       that have ended are shown
    llm_benchmark_schedule_interval_seconds                            gauge
    llm_benchmark_runs_total{source,status}                            counter of ended attempts; status
                                                                       "finished", "failed", "invalid";
                                                                       and of runs that were "missed"
    llm_benchmark_run_duration_seconds{source,status}                  histogram of the attempts
    llm_benchmark_points_inserted_total{source}                        counter
    llm_benchmark_last_finished_run_timestamp_seconds{source,scenario,llm}
                                                                       gauge, Unix time
    llm_benchmark_queue_jobs{queue,state}                              gauge; queue "runs", or "runs-eu" of
                                                                       a region; state "queued", "started",
                                                                       "scheduled" (for a retry), "failed",
                                                                       "waiting" (for an endpoint or a
                                                                       processor)
    llm_benchmark_queue_oldest_job_timestamp_seconds{queue}            gauge, Unix time; absent while no
                                                                       job is queued
    llm_benchmark_workers{queue}                                       gauge
    llm_benchmark_benchmark_file_faults                                gauge; for which its content is ignored
    llm_benchmark_<metric>_<unit>{source,scenario,llm,window,statistic}
                                                                       gauge, as llm_benchmark_ttft_seconds;
                                                                       window "latest", "24h";
                                                                       statistic "mean", "p50", "p95", "p99"
    llm_benchmark_incidents_open{severity}                             gauge; "minor", "major", "critical"
    llm_benchmark_incident_opened_timestamp_seconds{source,llm,severity}
                                                                       gauge, Unix time of the run that showed
                                                                       the open incident by which the LLM is
                                                                       affected; absent without any
    llm_benchmark_availability_ratio{source,scenario,llm}              gauge; of the last 24 hours; absent if
                                                                       no run has finished or failed
    llm_benchmark_last_judged_run_timestamp_seconds{source}            gauge, Unix time of the newest run that
                                                                       was searched for a change of level
    llm_benchmark_self_check_error_seconds{metric,statistic}           gauge; "p50", "p99" of the latest
                                                                       self-check
    llm_benchmark_self_check_timestamp_seconds                         gauge, Unix time of that self-check
    gen_ai_client_operation_duration_seconds{gen_ai_*,scenario}        histogram of all measured latencies;
    gen_ai_client_operation_time_to_first_chunk_seconds{gen_ai_*,scenario}
                                                                       OpenTelemetry's names and buckets

Of scheduler and worker:

    llm_benchmark_scheduler_last_poll_timestamp_seconds                gauge, Unix time of the latest poll
                                                                       that reached Redis
    llm_benchmark_scheduler_benchmark_file_faults                      gauge, of this scheduler's file
    llm_benchmark_scheduler_enqueued_total{entry}                      counter; "every-simulation", ...
    llm_benchmark_worker_jobs_total{status}                            counter; "successful", "failed"
    llm_benchmark_worker_busy_seconds_total                            counter
    process_*, python_info                                             from prometheus_client

Each requires an API key (Authorization: Bearer KEY, or x-api-key) unless METRICS_PUBLIC is true.
"""
