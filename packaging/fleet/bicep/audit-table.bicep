// SPDX-License-Identifier: MIT
// The audit of many machines in a table of a Log Analytics workspace, by the Azure Monitor agent. On each machine
// audit.format = "json", and the rule associated:
//   az deployment group create --resource-group GROUP --template-file audit-table.bicep --parameters workspaceName=...
//   az monitor data-collection rule association create --name msi2imds --rule-id ... --resource .../virtualMachines/web-1
// A line has no token; it has the names of users, programs and resources.
param location string = resourceGroup().location
param workspaceName string
param name string = 'msi2imds-audit'
param auditFile string = '/var/log/msi2imds/audit.log'
param retentionInDays int = 92

resource workspace 'Microsoft.OperationalInsights/workspaces@2022-10-01' existing = {
  name: workspaceName
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2022-10-01' = {
  parent: workspace
  name: 'Msi2imdsAudit_CL'
  properties: {
    retentionInDays: retentionInDays
    schema: {
      name: 'Msi2imdsAudit_CL'
      columns: [
        { name: 'TimeGenerated', type: 'dateTime' }
        { name: 'Computer', type: 'string' }
        { name: 'Pid', type: 'int' }
        { name: 'Uid', type: 'long' }
        { name: 'User', type: 'string' }
        { name: 'Program', type: 'string' }
        { name: 'Comm', type: 'string' }
        { name: 'Unit', type: 'string' }
        { name: 'Container', type: 'string' }
        { name: 'ContainerName', type: 'string' }
        { name: 'ContainerImage', type: 'string' }
        { name: 'Resource', type: 'string' }
        { name: 'Identity', type: 'string' }
        { name: 'IdentityBy', type: 'string' }
        { name: 'IdentityRule', type: 'string' }
        { name: 'Outcome', type: 'string' }
        { name: 'AnsweredFrom', type: 'string' }
        { name: 'DurationUs', type: 'long' }
        { name: 'Policy', type: 'string' }
        { name: 'Rule', type: 'string' }
        { name: 'Sha256', type: 'string' }
        { name: 'Unknown', type: 'string' }
        { name: 'LeftOut', type: 'long' }
        { name: 'LeftOutOf', type: 'string' }
      ]
    }
  }
}

resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2022-06-01' = {
  name: name
  location: location
  properties: {}
}

resource rule 'Microsoft.Insights/dataCollectionRules@2022-06-01' = {
  name: name
  location: location
  kind: 'Linux'
  properties: {
    dataCollectionEndpointId: endpoint.id
    // As audit.format = "json" writes them.
    streamDeclarations: {
      'Custom-Msi2imdsAudit': {
        columns: [
          { name: 'Computer', type: 'string' }
          { name: 'time', type: 'string' }
          { name: 'pid', type: 'int' }
          { name: 'uid', type: 'long' }
          { name: 'user', type: 'string' }
          { name: 'program', type: 'string' }
          { name: 'comm', type: 'string' }
          { name: 'unit', type: 'string' }
          { name: 'container', type: 'string' }
          { name: 'container_name', type: 'string' }
          { name: 'container_image', type: 'string' }
          { name: 'resource', type: 'string' }
          { name: 'identity', type: 'string' }
          { name: 'identity_by', type: 'string' }
          { name: 'identity_rule', type: 'string' }
          { name: 'outcome', type: 'string' }
          { name: 'source', type: 'string' }
          { name: 'duration_us', type: 'long' }
          { name: 'policy', type: 'string' }
          { name: 'rule', type: 'string' }
          { name: 'sha256', type: 'string' }
          { name: 'unknown', type: 'string' }
          { name: 'left_out', type: 'long' }
          { name: 'of', type: 'string' }
        ]
      }
    }
    dataSources: {
      logFiles: [
        {
          name: 'msi2imds-audit'
          streams: ['Custom-Msi2imdsAudit']
          filePatterns: [auditFile]
          format: 'json'
        }
      ]
    }
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: workspace.id
        }
      ]
    }
    dataFlows: [
      {
        streams: ['Custom-Msi2imdsAudit']
        destinations: ['workspace']
        outputStream: 'Custom-${table.name}'
        transformKql: '''
          source
          | project TimeGenerated = todatetime(['time']), Computer,
            Pid = ['pid'], Uid = ['uid'], User = ['user'], Program = ['program'],
            Comm = ['comm'], Unit = ['unit'], Container = ['container'], ContainerName = ['container_name'],
            ContainerImage = ['container_image'], Resource = ['resource'],
            Identity = ['identity'], IdentityBy = ['identity_by'], IdentityRule = ['identity_rule'], Outcome = ['outcome'],
            AnsweredFrom = ['source'], DurationUs = ['duration_us'], Policy = ['policy'], Rule = ['rule'],
            Sha256 = ['sha256'], Unknown = ['unknown'], LeftOut = ['left_out'], LeftOutOf = ['of']
        '''
      }
    ]
  }
}
