"""The pages that show what was made: an Airflow plugin, on nothing but what tasks left in their XComs."""
