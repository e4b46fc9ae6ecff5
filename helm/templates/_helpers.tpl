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

{{- define "llm-benchmark.postgresqlHost" -}}
{{- if .Values.postgresql.enabled -}}
{{ include "llm-benchmark.fullname" . }}-postgresql
{{- else if or .Values.postgresql.url .Values.existingSecret -}}
{{ .Values.postgresql.host }}
{{- else -}}
{{ required "postgresql.host: empty; expected your server, postgresql.url, or postgresql.enabled=true" .Values.postgresql.host }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.redisHost" -}}
{{- if .Values.redis.enabled -}}
{{ include "llm-benchmark.fullname" . }}-redis
{{- else if or .Values.redis.url .Values.redis.sentinels .Values.existingSecret -}}
{{ .Values.redis.host }}
{{- else -}}
{{ required "redis.host: empty; expected your server, redis.sentinels, redis.url, or redis.enabled=true" .Values.redis.host }}
{{- end }}
{{- end }}

{{/* Takes (list $ context), whose fields take precedence over those of all pods. */}}
{{- define "llm-benchmark.podSecurityContext" -}}
{{- mergeOverwrite dict (index . 0).Values.podSecurityContext (index . 1) | toYaml }}
{{- end }}

{{/* Labels that you add to every pod, the test's included. */}}
{{- define "llm-benchmark.podLabels" -}}
{{- with .Values.podLabels }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* A setting's value as text; whole numbers without exponent, although YAML's numbers arrive as floats. */}}
{{- define "llm-benchmark.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "llm-benchmark.urlPrefix" -}}
{{ .Values.config.URL_PREFIX | default "" | trimSuffix "/" }}
{{- end }}
