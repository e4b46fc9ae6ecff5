{{/* Names, labels and other shared parts. */}}

{{- define "llm-benchmark.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "llm-benchmark.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "llm-benchmark.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "llm-benchmark.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.selectorLabels" -}}
app.kubernetes.io/name: {{ include "llm-benchmark.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "llm-benchmark.labels" -}}
{{ include "llm-benchmark.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "llm-benchmark.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "llm-benchmark.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.secretName" -}}
{{ .Values.existingSecret | default (include "llm-benchmark.fullname" .) }}
{{- end }}

{{- define "llm-benchmark.endpointsSecretName" -}}
{{- if .Values.existingEndpointsSecret -}}
{{ .Values.existingEndpointsSecret }}
{{- else if .Values.extraSecrets -}}
{{ include "llm-benchmark.fullname" . }}-endpoints
{{- end }}
{{- end }}

{{- define "llm-benchmark.benchmarkConfigMap" -}}
{{- if .Values.existingBenchmarkConfigMap -}}
{{ .Values.existingBenchmarkConfigMap }}
{{- else if .Values.benchmarkFile -}}
{{ include "llm-benchmark.fullname" . }}-benchmark
{{- end }}
{{- end }}

{{/* A secret's value: the given one, else the one in the cluster, else a random one, the same throughout a rendering. */}}
{{- define "llm-benchmark.secret" -}}
{{- $root := index . 0 }}{{- $name := index . 1 }}{{- $given := index . 2 }}
{{- if $given -}}
{{ $given }}
{{- else }}
{{- if not (hasKey $root.Values "madeSecrets") }}{{ $_ := set $root.Values "madeSecrets" dict }}{{ end }}
{{- if not (hasKey $root.Values.madeSecrets $name) }}
{{- $held := dig "data" $name "" (lookup "v1" "Secret" $root.Release.Namespace (include "llm-benchmark.fullname" $root)) }}
{{- $_ := set $root.Values.madeSecrets $name (ternary ($held | b64dec) (randAlphaNum 40) (ne $held "")) }}
{{- end -}}
{{ index $root.Values.madeSecrets $name }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.postgresqlHost" -}}
{{- if .Values.postgresql.enabled -}}
{{ include "llm-benchmark.fullname" . }}-postgresql
{{- else -}}
{{ required "postgresql.host: empty; expected your server, or postgresql.enabled=true" .Values.postgresql.host }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.redisHost" -}}
{{- if .Values.redis.enabled -}}
{{ include "llm-benchmark.fullname" . }}-redis
{{- else -}}
{{ required "redis.host: empty; expected your server, or redis.enabled=true" .Values.redis.host }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "llm-benchmark.securityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
