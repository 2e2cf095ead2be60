-- The operator says itself what can be done (status.nextActions). A spec that it has not seen yet may be past that.
local offered = {}
local status = obj.status or {}
if obj.metadata.deletionTimestamp == nil and status.observedGeneration == obj.metadata.generation then
  for _, action in ipairs(status.nextActions or {}) do
    offered[action.name] = true
  end
end
for _, condition in ipairs(status.conditions or {}) do
  -- Of a spec that cannot be read nothing is heard, whatever was offered before.
  if condition.reason == "Unreadable" then offered = {} end
end
return {
  ["approve"] = {
    ["disabled"] = not offered.Approve,
    ["displayName"] = "Approve the plan",
    ["iconClass"] = "fa fa-fw fa-check-circle",
    ["params"] = {{["name"] = "planHash"}}
  },
  ["plan-again"] = {
    ["disabled"] = not offered.PlanAgain,
    ["displayName"] = "Plan again",
    ["iconClass"] = "fa fa-fw fa-clipboard-check"
  },
  ["retry"] = {
    ["disabled"] = not offered.Retry,
    ["displayName"] = "Try the step again",
    ["iconClass"] = "fa fa-fw fa-redo"
  },
  ["pause"] = {
    ["disabled"] = not offered.Pause,
    ["displayName"] = "Pause at the next phase",
    ["iconClass"] = "fa fa-fw fa-pause-circle"
  },
  ["resume"] = {
    ["disabled"] = not offered.Resume,
    ["displayName"] = "Go on",
    ["iconClass"] = "fa fa-fw fa-play-circle"
  },
  ["abort"] = {
    ["disabled"] = not offered.Abort,
    ["displayName"] = "Abort: everything as it was",
    ["iconClass"] = "fa fa-fw fa-times-circle"
  },
  ["rollback"] = {
    ["disabled"] = not offered.RollBack,
    ["displayName"] = "Roll back: what changed since the backup is lost",
    ["iconClass"] = "fa fa-fw fa-undo"
  }
}
