{{/* Common parts of the API, scheduler and worker pods; each template takes (list $ "component"). */}}

{{/* The secrets that a container uses; it gets no others. */}}
{{- define "llm-benchmark.secretsOf" -}}
{{- $postgresql := ternary "POSTGRES_PASSWORD" "POSTGRES_PASSWORD, DATABASE_URL" .Values.postgresql.enabled }}
{{- $redis := ternary "REDIS_PASSWORD" "REDIS_PASSWORD, REDIS_URL, REDIS_SENTINEL_PASSWORD" .Values.redis.enabled }}
api: [API_KEY, SECRET_KEY, {{ $postgresql }}, {{ $redis }}]
scheduler: [{{ $redis }}]
worker: [{{ $postgresql }}, {{ $redis }}]
migrate: [{{ $postgresql }}]
grafana-reader: [{{ $postgresql }}, GRAFANA_DB_PASSWORD]
{{- end }}

{{/* The values of each Deployment of workers by its component: worker, and worker-eu of the region eu. */}}
{{- define "llm-benchmark.workers" -}}
worker: {{ toJson .Values.worker }}
{{- range .Values.worker.regions }}
worker-{{ .name }}: {{ mergeOverwrite (deepCopy $.Values.worker) (dict "region" .name) (omit . "name") | toJson }}
{{- end }}
{{- end }}

{{/* The components of all workers, separated by commas. */}}
{{- define "llm-benchmark.workerComponents" -}}
{{ include "llm-benchmark.workers" . | fromYaml | keys | sortAlpha | join ", " }}
{{- end }}

{{/* The number of workers of a region, raised to the shards of a level in benchmarkFile, which need that number of them
at the same time; 0 stays, since the workers are then elsewhere. Takes (list $ region number), "" for no region. */}}
{{- define "llm-benchmark.enoughWorkers" -}}
{{- $root := index . 0 }}
{{- $region := index . 1 }}
{{- $number := index . 2 | int }}
{{- $workloads := (fromYaml $root.Values.benchmarkFile).workloads }}
{{- if and $number (kindIs "slice" $workloads) (not $root.Values.existingBenchmarkConfigMap) }}
{{- range $workload := $workloads }}
{{- if kindIs "map" $workload }}
{{- $regions := $workload.regions | default (list "") }}
{{- if and (kindIs "slice" $regions) (has $region $regions) }}
{{- $number = max $number (int $workload.shards) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $number }}
{{- end }}

{{/* The name of a component's objects; takes (list $ "component"). */}}
{{- define "llm-benchmark.componentName" -}}
{{ printf "%s-%s" (include "llm-benchmark.fullname" (index . 0)) (index . 1) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "llm-benchmark.podMetadata" -}}
{{- $root := index . 0 }}{{- $component := index . 1 }}
labels:
  {{- include "llm-benchmark.labels" $root | nindent 2 }}
  app.kubernetes.io/component: {{ $component }}
  {{- include "llm-benchmark.podLabels" $root | nindent 2 }}
annotations:
  # Replaces the pods when a setting or secret changes.
  checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
  {{- include "llm-benchmark.secretChecksums" $root | nindent 2 }}
  kubectl.kubernetes.io/default-container: {{ regexReplaceAll "-.*" $component "" }}
  {{- with (index $root.Values $component).podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "llm-benchmark.podSpec" -}}
{{- $root := index . 0 }}{{- $component := index . 1 }}{{- $values := index $root.Values $component }}
serviceAccountName: {{ include "llm-benchmark.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "llm-benchmark.podSecurityContext" (list $root dict) | nindent 2 }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range tuple "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "llm-benchmark.selectorLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if ne $component "scheduler" }}
# Each pod that uses PostgreSQL waits for it and migrates before it starts. Under the lock the first one does the work;
# the others find it done.
initContainers:
  - name: migrate
    args: [migrate]
    {{- include "llm-benchmark.container" (list $root "migrate") | nindent 4 }}
    resources:
      requests: {cpu: 50m, memory: 128Mi}
      limits: {memory: 256Mi}
  {{- if and $root.Values.grafana.reader.enabled (eq $component "api") }}
  - name: grafana-reader
    # Without the right to create roles, it says so, and the API starts anyway.
    args: [flask, --app, webapp, grafana-reader, --if-permitted]
    {{- include "llm-benchmark.container" (list $root "grafana-reader") | nindent 4 }}
    resources:
      requests: {cpu: 50m, memory: 128Mi}
      limits: {memory: 256Mi}
  {{- end }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 64Mi}
  {{- with include "llm-benchmark.benchmarkConfigMap" $root }}
  - name: benchmark
    configMap: {name: {{ . }}}
  {{- end }}
  {{- include "llm-benchmark.tlsVolumes" $root | nindent 2 }}
  {{- with $root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Takes (list $ "container"), and a region's workers also the region. */}}
{{- define "llm-benchmark.container" -}}
{{- $root := index . 0 }}{{- $container := index . 1 }}
image: {{ include "llm-benchmark.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml $root.Values.containerSecurityContext | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ include "llm-benchmark.fullname" $root }}}
  {{- if eq $container "worker" }}
  {{- with include "llm-benchmark.endpointsSecretName" $root }}
  - secretRef: {name: {{ . }}}
  {{- end }}
  {{- end }}
env:
  {{- if eq $container "worker" }}
  # Workers on one node share its processors.
  - name: WORKER_HOST
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
  {{- end }}
  {{- range slice . 2 }}
  - {name: REGION, value: {{ . | quote }}}
  {{- end }}
  {{- range index (include "llm-benchmark.secretsOf" $root | fromYaml) $container }}
  - name: {{ . }}
    valueFrom:
      # Your servers may need no password, and the page signs cookies with a random key if it has no other.
      secretKeyRef: {name: {{ include "llm-benchmark.secretName" $root }}, key: {{ . }}, optional: {{ ne . "API_KEY" }}}
  {{- end }}
  {{- if and $root.Values.monitoring.enabled (has $container (list "scheduler" "worker")) }}
  # The key that Prometheus sends; without it, /metrics refuses everybody unless METRICS_PUBLIC is true.
  - name: API_KEY
    valueFrom:
      secretKeyRef:
        {{- include "llm-benchmark.metricsKey" $root | nindent 8 }}
  {{- end }}
  {{- with $root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if include "llm-benchmark.benchmarkConfigMap" $root }}
  - {name: benchmark, mountPath: /etc/llm-benchmark, readOnly: true}
  {{- end }}
  {{- include "llm-benchmark.tlsMounts" $root | nindent 2 }}
  {{- with $root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Scheduler and workers serve only their metrics, so a connection to that port is the liveness check. */}}
{{- define "llm-benchmark.metricsProbes" -}}
ports:
  - {name: metrics, containerPort: 9100}
startupProbe:
  tcpSocket: {port: metrics}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  tcpSocket: {port: metrics}
  periodSeconds: 15
  timeoutSeconds: 5
readinessProbe:
  tcpSocket: {port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
