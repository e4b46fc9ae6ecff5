{{/* Common parts of the API, scheduler and worker pods; each template takes (list $ "component"). */}}

{{- define "llm-benchmark.podMetadata" -}}
{{- $root := index . 0 }}{{- $component := index . 1 }}
labels:
  {{- include "llm-benchmark.labels" $root | nindent 2 }}
  app.kubernetes.io/component: {{ $component }}
annotations:
  # Replaces the pods when a setting or secret changes.
  checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
  checksum/secret: {{ include (print $root.Template.BasePath "/secret.yaml") $root | sha256sum }}
  kubectl.kubernetes.io/default-container: {{ $component }}
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
  {{- include "llm-benchmark.podSecurityContext" 10001 | nindent 2 }}
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
# Each pod waits for PostgreSQL and migrates before it starts. Under the lock the first one does the work; the others
# find it done.
initContainers:
  - name: migrate
    args: [migrate]
    {{- include "llm-benchmark.container" . | nindent 4 }}
    resources:
      requests: {cpu: 50m, memory: 128Mi}
      limits: {memory: 256Mi}
  {{- if and $root.Values.grafana.reader.enabled (eq $component "scheduler") }}
  - name: grafana-reader
    args: [flask, grafana-reader]
    {{- include "llm-benchmark.container" . | nindent 4 }}
    resources:
      requests: {cpu: 50m, memory: 128Mi}
      limits: {memory: 256Mi}
  {{- end }}
volumes:
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 64Mi}
  {{- with include "llm-benchmark.benchmarkConfigMap" $root }}
  - name: benchmark
    configMap: {name: {{ . }}}
  {{- end }}
{{- end }}

{{- define "llm-benchmark.container" -}}
{{- $root := index . 0 }}
image: {{ include "llm-benchmark.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- include "llm-benchmark.securityContext" $root | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ include "llm-benchmark.fullname" $root }}}
  - secretRef: {name: {{ include "llm-benchmark.secretName" $root }}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if include "llm-benchmark.benchmarkConfigMap" $root }}
  - {name: benchmark, mountPath: /etc/llm-benchmark, readOnly: true}
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
