DELETE FROM gc WHERE path = ANY (ARRAY(SELECT json_array_elements_text(CAST(:paths AS json))))
