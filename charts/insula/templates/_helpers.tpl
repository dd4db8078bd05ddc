{{/* Labels of everything that the chart makes. Names are fixed: a cluster holds one Insula, as its CRDs are one. */}}
{{- define "insula.labels" -}}
{{ include "insula.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select pods. A Deployment's selector never changes: add nothing here. */}}
{{- define "insula.selector" -}}
app.kubernetes.io/name: insula
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* An image from {image, what, tag}: repository[:tag][@digest]. A tag that moves would change homes behind everyone's back. */}}
{{- define "insula.image" -}}
{{- $repository := required (printf "images.%s.repository must be set" .what) .image.repository -}}
{{- $tag := .image.tag | default .tag -}}
{{- if and (not .image.digest) (or (not $tag) (eq $tag "latest")) -}}
{{- fail (printf "images.%s needs a version or a digest: the tag latest moves" .what) -}}
{{- end -}}
{{- $repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "insula.image.insula" -}}
{{- include "insula.image" (dict "image" .Values.images.insula "what" "insula" "tag" .Chart.AppVersion) -}}
{{- end }}

{{/* What the operator reads: the model is PlatformFile in src/insula/contract/values.py. */}}
{{- define "insula.platform" -}}
{{- $images := .Values.images -}}
domain: {{ required "domain must be set, for example homes.example.com" .Values.domain | quote }}
hostTemplate: {{ .Values.hostTemplate | quote }}
releaseNamespace: {{ .Release.Namespace }}
gatewayService: insula-gateway
images:
  insula: {{ include "insula.image.insula" . | quote }}
  homeAssistant: {{ include "insula.image" (dict "image" $images.homeAssistant "what" "homeAssistant" "tag" "") | quote }}
  ollama: {{ include "insula.image" (dict "image" $images.ollama "what" "ollama" "tag" "") | quote }}
  pullPolicy: {{ $images.pullPolicy }}
{{ pick .Values "ingress" "issuer" "storageClass" "network" "modelRegistry" "sharedModels" "packageIndex" "isolation" "nodeSelector" "nodeFailure"
    "deletionBrake" "upgrades" "gpu" | toYaml }}
{{- end }}

{{/* Security of all of Insula's own pods: what Pod Security calls restricted, and a read-only root. */}}
{{- define "insula.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "insula.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Keep the replicas of a component, those of one revision, on different nodes where there are several. */}}
{{- define "insula.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  nodeTaintsPolicy: Honor
  labelSelector:
    matchLabels: {{- include "insula.selector" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}

{{/* Health on port 8080: alive is that the process answers; ready is that it does its work. */}}
{{- define "insula.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end }}

{{- define "insula.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: HOME, value: /tmp}
- {name: PYTHONDONTWRITEBYTECODE, value: "1"}
{{- end }}

{{/* Egress to the cluster's DNS and to the API server: what both components need. */}}
{{- define "insula.basicEgress" -}}
- to:
    {{- include "insula.peer" .Values.network.dns | nindent 4 }}
  ports:
    - {protocol: UDP, port: {{ .Values.network.dns.port }}}
    - {protocol: TCP, port: {{ .Values.network.dns.port }}}
- ports:
    {{- range .Values.network.apiServer.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.network.apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end }}

{{/* Egress to the ledger. */}}
{{- define "insula.toLedger" -}}
- to:
    - podSelector:
        matchLabels: {{- include "insula.selector" (dict "component" "ledger") | nindent 10 }}
  ports:
    - {protocol: TCP, port: 8090}
{{- end }}

{{/* Pods in another namespace, from {namespace, labels}: an item of a policy's `from` or `to`. */}}
{{- define "insula.peer" -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}
  podSelector: {{- if .labels }}
    matchLabels: {{- toYaml .labels | nindent 6 }}
  {{- else }} {}{{ end }}
{{- end }}

{{/* Ingress for whoever reads the metrics. */}}
{{- define "insula.scraping" -}}
{{- with .Values.metrics.scraper -}}
- from:
    {{- include "insula.peer" . | nindent 4 }}
  ports:
    - {protocol: TCP, port: 8080}
{{- end }}
{{- end }}

{{/* Says yes where the admission policies belong into the release. */}}
{{- define "insula.admission" -}}
{{- $policies := .Values.admission.policies -}}
{{- $known := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- if or (eq $policies "always") (and (eq $policies "auto") $known) }}yes{{ end }}
{{- end }}

{{- define "insula.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:insula-operator
{{- end }}

{{- define "insula.gatewayUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:insula-gateway
{{- end }}

{{/* CEL: whether a request comes from somebody whom the policies hold. It asks for rights last, for that costs most. */}}
{{- define "insula.isHeld" -}}
{{- $users := list (include "insula.operatorUser" .) "system:apiserver" "system:kube-controller-manager" -}}
{{- range .Values.admission.controllers -}}
{{- $users = append $users (printf "system:serviceaccount:%s:%s" .namespace .name) -}}
{{- end -}}
!(
  request.userInfo.username in {{ $users | toJson }}
  || request.userInfo.username.startsWith("system:serviceaccount:kube-system:")
  || request.userInfo.username.startsWith("system:node:")
{{- with .Values.admission.breakGlassGroups }}
  || request.userInfo.groups.exists(group, group in {{ . | toJson }})
{{- end }}
  || authorizer.group("admissionregistration.k8s.io").resource("validatingadmissionpolicies").check("delete").allowed()
)
{{- end }}
