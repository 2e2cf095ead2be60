{{- define "oms-operator.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Names of cluster-wide objects carry the namespace; where that is too long, a hash of it. Call with (list . "part"). */}}
{{- define "oms-operator.clusterName" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}
{{- $full := printf "%s-%s-%s" (include "oms-operator.name" $root) $part $root.Release.Namespace }}
{{- if le (len $full) 63 }}{{ $full }}{{ else }}{{ printf "%s-%s" ($full | trunc 52 | trimSuffix "-") (sha256sum $full | trunc 10) }}{{ end }}
{{- end }}

{{- define "oms-operator.clusterRoleName" -}}
{{- include "oms-operator.clusterName" (list . "finalizer") }}
{{- end }}

{{- define "oms-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "oms-operator.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "oms-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "oms-operator.labels" -}}
{{ include "oms-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Image reference out of repository, tag and digest; call with (list . "image"). No registry has the images, so there is no
repository that could be the default. */}}
{{- define "oms-operator.image" -}}
{{- $root := index . 0 }}{{ $image := index $root.Values (index . 1) }}
{{- if not $image.repository }}
{{- fail (printf "\n\n%s.repository is not set, and no public registry has this image: build it with deploy/Dockerfile.from-source, push it to your registry, and name it with --set %s.repository=registry.example.com/%s (docs/install.md)" (index . 1) (index . 1) (index . 2)) }}
{{- end }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{/* Labels of nodes on which the images run: those that are asked for, and the architecture. Call with (list . $selector). */}}
{{- define "oms-operator.nodeSelector" -}}
{{- $root := index . 0 }}{{ $selector := index . 1 }}
{{- if $root.Values.architecture }}{{ $selector = merge (dict) $selector (dict "kubernetes.io/arch" $root.Values.architecture) }}{{ end }}
{{- toJson $selector }}
{{- end }}

{{/* The watched namespaces as a JSON list, sorted, each once. */}}
{{- define "oms-operator.watchNamespaces" -}}
{{- default (list .Release.Namespace) .Values.watchNamespaces | uniq | sortAlpha | toJson }}
{{- end }}
