-- Argo CD does not look whether an action is disabled, and a menu may be older than the object.
local offered = false
local status = obj.status or {}
if obj.metadata.deletionTimestamp == nil and status.observedGeneration == obj.metadata.generation then
  for _, action in ipairs(status.nextActions or {}) do
    offered = offered or action.name == "PlanAgain"
  end
end
for _, condition in ipairs(status.conditions or {}) do
  offered = offered and condition.reason ~= "Unreadable"
end
if not offered then
  error("no plan can be made anew; nothing was written. status.nextActions tells what can be done now", 0)
end
-- Any text that was not there before: it counts once.
obj.spec.planRequest = "argocd-" .. obj.metadata.resourceVersion
return obj
