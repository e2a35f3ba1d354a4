package disposable

import "testing"

func TestAddress(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]bool{
		"a@mailinator.com": true, "a@Guerrillamail.com": true, "a@10minutemail.com": true, "a@temp-mail.org": true,
		"a@inbox.mailinator.com": true, "a@mailinator.com.": true,
		"a@kiln.example": false, "a@mailinator.com.kiln.example": false, "a@gmail.com": false, "a@com": false, "nobody": false, "": false,
	} {
		if got := Address(email); got != want {
			t.Errorf("Address(%q) = %v", email, got)
		}
	}
	if len(domains()) < 3000 {
		t.Errorf("the list has %d domains", len(domains()))
	}
}
