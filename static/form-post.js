// Sends the page's form by itself; without JavaScript the visible button does the same.
// The prototype's submit, because a response parameter may be called "submit" and would hide the form's own.
HTMLFormElement.prototype.submit.call(document.forms[0]);
