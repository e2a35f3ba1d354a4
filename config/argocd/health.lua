-- Health of a RsolvDeployment, a FeatureFlag or an AlertBaseline, for Argo CD.
-- It follows the conditions that every one of them has: Ready, and while they
-- are true Reconciling (it gets further by itself) and Stalled (somebody has to
-- change something).
local health = { status = "Progressing", message = "waiting for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "waiting for the operator to take up the change"
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local function is_true(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

if conditions.Ready ~= nil then
  health.message = conditions.Ready.message
end
if is_true("Stalled") then
  health.status = "Degraded"
  if conditions.Stalled.reason == "Suspended" then
    health.status = "Suspended"
  end
  health.message = conditions.Stalled.message
elseif obj.status.phase == "Degraded" then
  -- A rollout was complete, and pods that answered do so no more.
  health.status = "Degraded"
elseif is_true("Reconciling") then
  health.message = conditions.Reconciling.message
elseif is_true("Ready") then
  health.status = "Healthy"
end
return health
