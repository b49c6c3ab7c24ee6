// Go's encoding/json reads and writes records.
package main

import (
	"encoding/json"

	"libraries/driver"
)

type record struct {
	ID    int            `json:"id"`
	Price float64        `json:"price"`
	Name  string         `json:"name"`
	Tags  []string       `json:"tags"`
	At    map[string]int `json:"at"`
}

func main() {
	driver.Run("go_json", 1, func(scale int) uint64 {
		random := driver.New()
		var records []record
		for i := range 100 {
			name := string(driver.Prose(random, 12))
			at := map[string]int{"x": int(random.Below(1000)), "y": -i}
			price := float64(random.Below(1<<30)) / 64
			records = append(records, record{i, price, name, []string{name[:3], "é\"" + name[4:]}, at})
		}
		var sum uint64
		for round := range scale {
			records[round%100].ID += round
			text, err := json.Marshal(records)
			driver.Must(err)
			var again []record
			driver.Must(json.Unmarshal(text, &again))
			last := again[len(again)-1]
			sum = driver.Mix(sum, uint64(len(text))^uint64(last.Price)^uint64(again[round%100].ID))
		}
		return sum
	})
}
