{{/* Secrets in the cluster: kept, checked and watched by lookup, which finds nothing where Helm only renders. */}}

{{/* A value of the release's Secret in the cluster; empty if there is none. Takes (list $ "name"). */}}
{{- define "llm-benchmark.stored" -}}
{{- $root := index . 0 }}
{{- dig "data" (index . 1) "" (lookup "v1" "Secret" $root.Release.Namespace (include "llm-benchmark.fullname" $root)) | b64dec }}
{{- end }}

{{/* A secret's value: the given one, else the one in the cluster, else a random one, the same throughout a rendering. */}}
{{- define "llm-benchmark.secret" -}}
{{- $root := index . 0 }}{{- $name := index . 1 }}{{- $given := index . 2 }}
{{- if $given -}}
{{ $given }}
{{- else }}
{{- if not (hasKey $root.Values "madeSecrets") }}{{ $_ := set $root.Values "madeSecrets" dict }}{{ end }}
{{- if not (hasKey $root.Values.madeSecrets $name) }}
{{- $stored := include "llm-benchmark.stored" (list $root $name) }}
{{- $_ := set $root.Values.madeSecrets $name ($stored | default (randAlphaNum 40)) }}
{{- end -}}
{{ index $root.Values.madeSecrets $name }}
{{- end }}
{{- end }}

{{/* Fails if the bundled PostgreSQL would refuse the password: its volume keeps the one of the first start. */}}
{{- define "llm-benchmark.checkPostgresqlPassword" -}}
{{- $volume := printf "data-%s-0" (include "llm-benchmark.postgresqlHost" .) }}
{{- $stored := include "llm-benchmark.stored" (list . "POSTGRES_PASSWORD") }}
{{- $given := .Values.postgresql.password }}
{{- with .Values.existingSecret }}
{{- $given = dig "data" "POSTGRES_PASSWORD" "" (lookup "v1" "Secret" $.Release.Namespace .) | b64dec }}
{{- end }}
{{- if or (and $stored $given (ne $stored $given)) (not (or $stored $given .Values.existingSecret)) }}
{{- if lookup "v1" "PersistentVolumeClaim" .Release.Namespace $volume }}
{{- if $stored }}
{{- fail (printf "postgresql.password: differs from the one in Secret %s, with which volume %s was initialized; first change it in PostgreSQL (ALTER ROLE \"%s\" PASSWORD '...') and in that Secret, or keep the old one" (include "llm-benchmark.fullname" .) $volume .Values.postgresql.user) }}
{{- else }}
{{- fail (printf "postgresql.password: empty, but volume %s of an earlier installation exists; set its password, or delete the volume and its data (kubectl delete pvc %s)" $volume $volume) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A checksum of the Secrets and the ConfigMap that you made and the pods use; empty if none is found. */}}
{{- define "llm-benchmark.existingChecksum" -}}
{{- $found := list }}
{{- $values := .Values }}
{{- $prometheus := ternary $values.monitoring.keySecret.name "" $values.monitoring.enabled }}
{{- range list $values.existingSecret $values.existingEndpointsSecret $prometheus $values.postgresql.tls.secret $values.redis.tls.secret }}
{{- if . }}{{ $found = append $found (dig "data" "" (lookup "v1" "Secret" $.Release.Namespace .)) }}{{ end }}
{{- end }}
{{- range list $values.postgresql.tls.configMap $values.redis.tls.configMap }}
{{- if . }}{{ $found = append $found (dig "data" "" (lookup "v1" "ConfigMap" $.Release.Namespace .)) }}{{ end }}
{{- end }}
{{- with compact $found }}{{ toJson . | sha256sum }}{{ end }}
{{- end }}

{{/* Annotations that replace a pod when a secret changes. */}}
{{- define "llm-benchmark.secretChecksums" -}}
checksum/secret: {{ include (print .Template.BasePath "/secret.yaml") . | sha256sum }}
{{- with include "llm-benchmark.existingChecksum" . }}
checksum/existing: {{ . }}
{{- end }}
{{- end }}
