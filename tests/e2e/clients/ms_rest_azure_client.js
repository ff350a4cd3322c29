// SPDX-License-Identifier: MIT
// Prints the token that npm's ms-rest-azure gets: ms_rest_azure_client.js RESOURCE
'use strict';

const msRestAzure = require('ms-rest-azure');

msRestAzure.loginWithMSI({resource: process.argv[2]}, (error, credentials) => {
  if (error) {
    throw error;
  }
  credentials.getToken((error, token) => {
    if (error) {
      throw error;
    }
    console.log(JSON.stringify({access_token: token.accessToken}));
  });
});
