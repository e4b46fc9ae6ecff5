{{/* Certificates of your servers: files from the Secret or ConfigMap that `tls` names. */}}

{{- define "llm-benchmark.tlsVolumes" -}}
{{- range $server := tuple "postgresql" "redis" }}
{{- $tls := (index $.Values $server).tls }}
{{- if or $tls.secret $tls.configMap }}
- name: {{ $server }}-tls
  {{- if $tls.secret }}
  # libpq refuses a key that others than its owner, root, and its group can read; the group is the pod's fsGroup.
  secret:
    secretName: {{ $tls.secret }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ $tls.configMap }}
  {{- end }}
    items:
      {{- range compact (list $tls.ca $tls.cert $tls.key) }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "llm-benchmark.tlsMounts" -}}
{{- range $server := tuple "postgresql" "redis" }}
{{- $tls := (index $.Values $server).tls }}
{{- if or $tls.secret $tls.configMap }}
- {name: {{ $server }}-tls, mountPath: /etc/{{ $server }}-tls, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* The settings that name the files, as YAML. */}}
{{- define "llm-benchmark.tlsSettings" -}}
{{- $names := dict
  "postgresql" (dict "ca" "POSTGRES_SSLROOTCERT" "cert" "POSTGRES_SSLCERT" "key" "POSTGRES_SSLKEY")
  "redis" (dict "ca" "REDIS_SSL_CA" "cert" "REDIS_SSL_CERT" "key" "REDIS_SSL_KEY")
}}
{{- range $server, $settings := $names }}
{{- $tls := (index $.Values $server).tls }}
{{- if or $tls.secret $tls.configMap }}
{{- range $part, $setting := $settings }}
{{- with index $tls $part }}
{{ $setting }}: /etc/{{ $server }}-tls/{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .Values.postgresql.sslmode "verify-full") (not (include "llm-benchmark.hasCA" .)) }}
POSTGRES_SSLROOTCERT: system
{{- end }}
{{- end }}

{{- define "llm-benchmark.hasCA" -}}
{{- with .Values.postgresql.tls }}{{ if and (or .secret .configMap) .ca }}yes{{ end }}{{ end }}
{{- end }}
