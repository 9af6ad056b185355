// What is said once: the shape of the platform that each app gets, and the built-in roles.

@export()
@description('Texts by name.')
type texts = {
  @description('One of them.')
  *: string
}

@export()
@description('What a function app finds around it.')
type platform = {
  @description('Region.')
  location: string

  @description('Tags of every resource.')
  tags: texts

  @description('Makes the names of this environment unique.')
  token: string

  @description('The storage account of the archive.')
  archive: string

  @description('The Application Insights component.')
  insights: string

  @description('Resource id of the Log Analytics workspace.')
  workspaceId: string

  @description('Whether logs are written with the key in the connection string, not with the app\'s identity.')
  logsByKey: bool

  @description('The cloud of the tenant, as the setting AZURE_CLOUD has it.')
  tenantCloud: string

  @description('The virtual network, or none.')
  network: network
}

@export()
@description('The virtual network; without one every id is empty.')
type network = {
  @description('Whether there is one.')
  private: bool

  @description('Resource id of the subnet of the private endpoints.')
  endpointSubnet: string

  @description('Resource ids of the apps\' subnets, by app.')
  appSubnets: texts

  @description('Resource ids of the private DNS zones by service: blob, queue, table, vault. An empty one: no entry is made in it.')
  zones: texts
}

@export()
@description('A key of the customer, in a vault of their own, for what is archived. The identity has to be allowed to use it: Key Vault Crypto Service Encryption User.')
type customerKey = {
  @description('Address of the vault, e.g. https://contoso-keys.vault.azure.net')
  vaultUri: string

  @description('Name of the key. Its newest version is used.')
  keyName: string

  @description('Resource id of the user-assigned identity that may use the key.')
  identityId: string
}

@export()
@description('Where the vendor\'s ZIPs are: an SFTP server, or the landing account.')
type delivery = {
  @description('The SFTP server: host, or host:port. Empty: the landing account.')
  host: string

  @description('User name there.')
  username: string

  @description('Its host keys: `type base64`, separated by commas.')
  hostKeys: string

  @description('What fetch signs in there with: key, passphrase, password, separated by commas.')
  signIn: string

  @description('The folder with the ZIPs. Empty: the home folder, or the container itself.')
  folder: string

  @description('ZIPs of days before this one are ignored. Empty: none is.')
  from: string

  @description('The landing account. Empty: there is none.')
  landing: string
}

@export()
@description('How much one app may use.')
type size = {
  @description('MB per instance.')
  memory: 512 | 2048 | 4096

  @description('The most instances. Azure may refuse fewer than 40.')
  @minValue(40)
  @maxValue(1000)
  maximumInstances: int
}

@export()
@description('Built-in roles of Azure: the same ids in every cloud.')
var roles = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor
  blobReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
  tableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
  tableReader: '76199698-9eea-4c19-bc75-cec21354c6b6' // Storage Table Data Reader
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher
}

@export()
@description('Names in Key Vault of the secrets that fetch may need, by its settings.')
var secretNames = {
  TELEMESSAGE_PASSWORD: 'telemessage-password'
  DELIVERY_SFTP_KEY: 'delivery-sftp-key'
  DELIVERY_SFTP_KEY_PASSPHRASE: 'delivery-sftp-key-passphrase'
  DELIVERY_SFTP_PASSWORD: 'delivery-sftp-password'
}

@export()
@description('Settings of the secrets that fetch reads of a source. A secret that is not among them need not be in the vault.')
func secretsOf(source string, host string, signIn string) string[] =>
  source == 'telemessage'
    ? ['TELEMESSAGE_PASSWORD']
    : empty(host)
        ? []
        : map(
            split(signIn, ','),
            part =>
              {
                key: 'DELIVERY_SFTP_KEY'
                passphrase: 'DELIVERY_SFTP_KEY_PASSPHRASE'
                password: 'DELIVERY_SFTP_PASSWORD'
              }[part]
          )

@export()
@description('Settings that say where items come from, and where the secrets for it are: the same for fetch, which reads there, and for the portal, which tests and stores them.')
func sourceSettings(source string, of delivery, url string, username string, vault string) texts =>
  union(
    { SOURCE: source },
    source == 'telemessage'
      ? { TELEMESSAGE_URL: url, TELEMESSAGE_USERNAME: username }
      : union(
          !empty(of.host)
            ? { DELIVERY_SFTP_HOST: of.host, DELIVERY_SFTP_USERNAME: of.username }
            : { DELIVERY_LANDING__blobServiceUri: 'https://${of.landing}.blob.${environment().suffixes.storage}' },
          // Without one only a check connects, and shows the key.
          empty(of.hostKeys) ? {} : { DELIVERY_SFTP_HOST_KEYS: of.hostKeys },
          empty(of.folder) ? {} : { DELIVERY_FOLDER: of.folder },
          empty(of.from) ? {} : { DELIVERY_FROM: of.from }
        ),
    toObject(
      secretsOf(source, of.host, of.signIn),
      name => '${name}_SECRET',
      name => 'https://${vault}${environment().suffixes.keyvaultDns}/secrets/${secretNames[name]}'
    )
  )
