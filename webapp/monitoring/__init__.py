"""What Prometheus reads: GET /metrics of the API, and of scheduler and worker where METRICS_PORT is set.

The API's /metrics (at /metrics on its own port; one replica is enough for all but the first four):

    llm_benchmark_http_requests_total{method,route,status}          counter, of this replica's workers together
    llm_benchmark_http_request_duration_seconds{method,route}       histogram, likewise
    llm_benchmark_cache_hits_total, llm_benchmark_cache_misses_total    counters, likewise
    llm_benchmark_dependency_up{dependency="postgresql|redis"}      gauge, 1 or 0
    llm_benchmark_generation                                        gauge
    llm_benchmark_schedule_interval_seconds                         gauge
    llm_benchmark_runs_total{source,status}                         counter; status "finished", "failed", ...
    llm_benchmark_run_duration_seconds{source,status}               histogram
    llm_benchmark_points_inserted_total{source}                     counter
    llm_benchmark_last_finished_run_timestamp_seconds{source,workload,llm}  gauge, Unix time
    llm_benchmark_queue_jobs{queue,state}                           gauge; state "queued", "started", "scheduled"
                                                                    (waiting for a retry), "failed", "deferred"
    llm_benchmark_queue_oldest_job_timestamp_seconds{queue}         gauge, Unix time; absent while none waits
    llm_benchmark_workers{queue}                                    gauge
    llm_benchmark_<metric>_mean_<unit>{source,workload,llm,window}  gauge; window "latest", "24h"; as
    llm_benchmark_<metric>_quantile_<unit>{...,quantile}            llm_benchmark_ttft_mean_seconds,
                                                                    llm_benchmark_tps_quantile_tokens_per_second
    gen_ai_client_operation_duration_seconds{...}                   histogram of measured latencies, by
    gen_ai_client_operation_time_to_first_chunk_seconds{...}        OpenTelemetry's GenAI names

Scheduler and worker, each at /metrics on METRICS_PORT (address HOST):

    llm_benchmark_scheduler_last_poll_timestamp_seconds             gauge: when it last polled with success
    llm_benchmark_scheduler_next_slot_timestamp_seconds{entry}      gauge
    llm_benchmark_worker_jobs_total{status}                         counter; "successful", "failed"
    llm_benchmark_worker_busy_seconds_total                         counter
    process_*, python_info                                          of prometheus_client

All of them ask for an API key (Authorization: Bearer KEY, or x-api-key) unless METRICS_PUBLIC is true.
"""
